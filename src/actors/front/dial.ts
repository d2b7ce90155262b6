/** Connections that actors ask for: over the network, or short-circuited when the address is one of our own listeners. */
import type { ActorId } from '../../runtime/actor.js';
import { acceptLoopback, addDialed, eventsOf } from './accept.js';
import { connectionMessages, PORT_KIND } from './connection-messages.js';
import { type Connection, Phase } from './connection.js';
import { addressOf } from './hosts.js';
import type { Dial } from './messages.js';
import type { FrontState } from './state.js';
import type { Unit } from './unit.js';

const CONNECT_TIMEOUT_MS = 3000;
/** `dialed.peerActor` of a connection to another process. */
const NO_ACTOR = -1;

export function dial(state: FrontState, owner: ActorId, token: number, { host, port, isStream }: Dial): void {
  for (const unit of state.units) {
    const portKind = unit.portKindAt(host, port);
    if (portKind < 0) continue;
    dialOwn(state, owner, token, unit, portKind, host, port);
    return;
  }
  // By way of the network it would be found, and the whole log would go through sockets to this very process.
  if (isStream === true && state.units.some((unit) => unit.isBindingHa(host, port))) {
    state.context.send(owner, connectionMessages.dialFailed, { token, value: { reason: 'the port is being bound' } });
    return;
  }
  dialOut(state, owner, token, host, port, isStream === true);
}

function dialOwn(
  state: FrontState,
  owner: ActorId,
  token: number,
  unit: Unit,
  portKind: number,
  host: string,
  port: number,
): void {
  const ends = state.loopback.pair(addressOf(host), port);
  const accepted = acceptLoopback(state, unit, portKind, ends.accepted);
  const connection = addDialed(state, owner, ends.dialed);
  connection.isLoopback = true;
  ends.dialed.events = eventsOf(state, connection);
  // HA actors of one process say nothing through their connection: it only shows that both are there.
  connection.mayBeSilent = portKind === PORT_KIND.ha;
  accepted.mayBeSilent = connection.mayBeSilent;
  announce(state, connection, token, accepted.owner, accepted.id);
}

function dialOut(
  state: FrontState,
  owner: ActorId,
  token: number,
  host: string,
  port: number,
  isStream: boolean,
): void {
  const { context } = state;
  // The events come in later turns.
  const socket = context.network.connect(host, port, CONNECT_TIMEOUT_MS, {
    onConnected: () => {
      if (connection.phase === Phase.NEW) announce(state, connection, token, NO_ACTOR, 0);
    },
    onData: (chunk) => events.onData(chunk),
    onDrained: () => events.onDrained(),
    onClosed: (reason) => {
      const isFailure = connection.phase === Phase.NEW;
      events.onClosed(reason);
      if (isFailure) context.send(owner, connectionMessages.dialFailed, { token, value: { reason } });
    },
  });
  const connection = addDialed(state, owner, socket);
  connection.isStream = isStream;
  connection.mayBeSilent = isStream;
  const events = eventsOf(state, connection);
}

function announce(
  state: FrontState,
  connection: Connection,
  token: number,
  peerActor: ActorId,
  peerConnection: number,
): void {
  connection.phase = Phase.OPEN;
  connection.lastActivityMs = state.context.clock.monotonic();
  const message = { token, connection: connection.id, peerActor, peerConnection };
  state.context.send(connection.owner, connectionMessages.dialed, message);
}
