/** The start of a connection: accepted from outside, accepted from an actor of this process, or dialed. */
import type { ActorId } from '../../runtime/actor.js';
import type { Socket, SocketEvents } from '../../runtime/network.js';
import { closeConnection, lost, updateReading } from './closing.js';
import { connectionMessages, PORT_KIND } from './connection-messages.js';
import { Connection, NOBODY, Phase, remoteOf } from './connection.js';
import type { RefuseReason } from './counters.js';
import { forward, receive } from './intake.js';
import type { LoopbackSocket } from './loopback.js';
import type { FrontState } from './state.js';
import type { Unit } from './unit.js';

const MAX_ID = 0x7fff_ffff;
const NO_HOSTS: readonly ActorId[] = [];
const DEAF: SocketEvents = { onData: () => undefined, onDrained: () => undefined, onClosed: () => undefined };

/** Takes a connection that came in by one of a unit's ports. */
export function accept(state: FrontState, unit: Unit, portKind: number, socket: Socket): SocketEvents {
  const refused = refusalOf(state, unit, socket);
  if (refused !== undefined) {
    unit.counters.refused(refused).add(1);
    socket.destroy(`refused: ${refused}`);
    return DEAF;
  }
  state.acceptedCount++;
  const connection = add(state, unit, portKind, socket);
  connection.isCounted = true;
  // Both sides of a replication link look after it themselves.
  connection.isStream = portKind === PORT_KIND.ha;
  connection.mayBeSilent = connection.isStream;
  // Announced as soon as there is room for it, and before that nothing of it is handed on.
  state.stalls.add(connection, connection.owner);
  return eventsOf(state, connection);
}

/** Takes the other end of a dial from inside the process. */
export function acceptLoopback(state: FrontState, unit: Unit, portKind: number, socket: LoopbackSocket): Connection {
  const connection = add(state, unit, portKind, socket);
  connection.isLoopback = true;
  socket.events = eventsOf(state, connection);
  announce(state, connection);
  return connection;
}

/** A connection that an actor dials; whoever dials announces it. */
export function addDialed(state: FrontState, owner: ActorId, socket: Socket): Connection {
  const unitNumber = state.options.actorUnits[owner];
  const { counters, budget } = state.units.find((unit) => unit.options.unit === unitNumber) ?? state.others;
  const now = state.context.clock.monotonic();
  return register(
    state,
    new Connection(nextId(state), socket, PORT_KIND.dialed, owner, undefined, NO_HOSTS, counters, budget, now),
  );
}

export function eventsOf(state: FrontState, connection: Connection): SocketEvents {
  return {
    onData: (chunk) => receive(state, connection, chunk),
    onDrained: () => {
      connection.lastActivityMs = state.context.clock.monotonic();
    },
    onClosed: () => lost(state, connection),
  };
}

/** Goes on with a connection that waited for room: see Stalls. */
export function serve(state: FrontState, connection: Connection): void {
  connection.lastActivityMs = state.context.clock.monotonic();
  if (connection.phase === Phase.NEW) announce(state, connection);
  forward(state, connection);
  if (connection.stalledOn !== NOBODY) return;
  if (connection.isEnded) closeConnection(state, connection, 'peer');
  else updateReading(connection);
}

function announce(state: FrontState, connection: Connection): void {
  connection.phase = Phase.OPEN;
  const { remoteAddress, remotePort } = connection.socket;
  const value = { remoteAddress, remotePort };
  state.context.send(connection.owner, connectionMessages.opened, { connection: connection.id, value });
}

function refusalOf(state: FrontState, unit: Unit, socket: Socket): RefuseReason | undefined {
  const remote = remoteOf(socket);
  const { role } = unit.options;
  if (unit.ports === undefined || state.isDraining) return 'not_serving';
  const { maxConnections } = state.options;
  if (state.acceptedCount < maxConnections) return undefined;
  state.log.warn('limit', 'a connection was refused: there are as many as allowed', {
    unit: role,
    remote,
    maxConnections,
  });
  return 'limit';
}

function add(state: FrontState, unit: Unit, portKind: number, socket: Socket): Connection {
  const { counters, budget, options } = unit;
  const isReplica = portKind === PORT_KIND.ha;
  const owner = isReplica ? options.haActor : options.actor;
  const hosts = isReplica ? NO_HOSTS : unit.hosts;
  const now = state.context.clock.monotonic();
  return register(state, new Connection(nextId(state), socket, portKind, owner, unit, hosts, counters, budget, now));
}

function register(state: FrontState, connection: Connection): Connection {
  state.connections.set(connection.id, connection);
  connection.counters.opened.add(1);
  connection.counters.connections.add(1);
  return connection;
}

/** After 2^31 connections it starts again, past those that are still open. */
function nextId(state: FrontState): number {
  const { lastId, connections } = state;
  do {
    lastId[0] = lastId[0] === MAX_ID ? 1 : lastId[0] + 1;
  } while (connections.has(lastId[0]));
  return lastId[0];
}
