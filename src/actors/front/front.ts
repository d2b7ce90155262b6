/**
 * Owns every socket: the listeners of all units, the connections that come in, those that actors dial, and the HTTP
 * listener for metrics. Splits streams into frames and hands each to the actor it is for; knows nothing of what
 * frames say beyond the code (and, for pulls, the queue).
 *
 * Input   socket -> chunk -> frames -> ring of the actor; a full ring stops reading from the sockets that feed it
 * Output  `write` messages of a turn -> one buffer per connection -> socket
 *
 * Invariants: an actor hears `opened` (or `dialed`) before the first frame of a connection, `closed` once and after the
 * last; frames of a connection stay in order; every amount kept here has a bound.
 */
import { actor, type Context, type MessageOf } from '../../runtime/actor.js';
import { catalog } from '../../../metrics/catalog.js';
import { type Counter, counter } from '../../../metrics/meter.js';
import { accept, serve } from './accept.js';
import { closeConnection, stopLingering, updateReading } from './closing.js';
import { remoteOf } from './connection.js';
import { UnitCounters } from './counters.js';
import { dial } from './dial.js';
import { Exposition } from './exposition.js';
import { startHttp } from './http.js';
import { InputBudget } from './input-budget.js';
import { Loopback } from './loopback.js';
import { frontMessages } from './messages.js';
import type { FrontOptions } from './options.js';
import { Output } from './output.js';
import { QuietLog } from './quiet-log.js';
import { relieve } from './relief.js';
import { Router } from './route.js';
import { Stalls } from './stalls.js';
import type { FrontState } from './state.js';
import { startSweeping } from './sweep.js';
import { Unit } from './unit.js';

/** How long answers may take to leave at an orderly stop. */
const STOP_MS = 1000;

interface State extends FrontState {
  readonly writesDropped: Counter;
}

export const frontActor = actor<State, typeof frontMessages, FrontOptions>('front', {
  messages: frontMessages,
  start,
  on: {
    write: onWrite,
    close: onClose,
    dial: onDial,
    openUnit: onOpenUnit,
    closeUnit: onCloseUnit,
    drain: onDrain,
  },
  endOfBatch,
  close,
});

function start(context: Context, options: FrontOptions): State {
  const { meter } = context;
  const budget = (): InputBudget =>
    new InputBudget(options.inputLimitBytes, (connection) => {
      connection.partialSinceMs = context.clock.monotonic();
      state.stalls.add(connection, connection.owner);
    });
  const state: State = {
    context,
    options,
    log: new QuietLog(context.log, context.clock),
    units: options.units.map((unit) => new Unit(unit, new UnitCounters(meter, unit.role), budget())),
    others: { counters: new UnitCounters(meter, 'other'), budget: budget() },
    connections: new Map(),
    lingering: new Set(),
    router: new Router(),
    stalls: new Stalls(context, options.actorUnits.length, (connection) => serve(state, connection)),
    output: new Output(context.clock, options.outputLimitBytes),
    loopback: new Loopback(),
    lastId: new Int32Array(options.connectionIds, 0, 1),
    frame: { connection: 0, portKind: 0, receivedMs: 0 },
    acceptedCount: 0,
    isDraining: false,
    http: undefined,
    whenIdle: undefined,
    writesDropped: counter(meter, catalog.writesDropped, {}),
  };
  startSweeping(state);
  if (options.http === undefined) context.ready();
  else listenForHttp(state, options.http);
  return state;
}

function listenForHttp(state: State, where: { readonly host: string; readonly port: number }): void {
  const { context, options } = state;
  state.http = startHttp(where, new Exposition(options), {
    listening: (port) => {
      context.report('metrics.port', port);
      context.ready();
    },
    failed: (error) => context.fail(error),
    troubled: (code) => state.log.warn('http', 'the metrics listener cannot accept a connection', { code }),
  });
}

function onWrite(state: State, message: MessageOf<typeof frontMessages, 'write'>): void {
  const connection = state.connections.get(message.connection);
  if (connection === undefined || connection.isEnded) {
    state.writesDropped.add(1);
    return;
  }
  if (!state.output.append(connection, message.buffer, message.start, message.end)) {
    state.log.warn('slow_reader', 'connection closed: the peer does not read its answers', {
      connection: connection.id,
      remote: remoteOf(connection.socket),
      unreadBytes: connection.socket.bufferedBytes + connection.outputBytes,
      limitBytes: state.options.outputLimitBytes,
    });
    closeConnection(state, connection, 'slow_reader');
    return;
  }
  if (state.output.waitingBytes > state.options.outputTotalBytes) relieve(state);
  connection.counters.writes.add(1);
  connection.counters.writeBytes.add(message.end - message.start);
}

function onClose(state: State, message: MessageOf<typeof frontMessages, 'close'>): void {
  const connection = state.connections.get(message.connection);
  if (connection !== undefined) closeConnection(state, connection, 'actor');
}

function onDial(state: State, message: MessageOf<typeof frontMessages, 'dial'>): void {
  dial(state, message.source, message.token, message.value);
}

/** Units without listeners are opened and closed like others: there is nothing to do for them. */
function onOpenUnit(state: State, message: MessageOf<typeof frontMessages, 'openUnit'>): void {
  if (state.isDraining) return;
  for (const unit of state.units) {
    if (unit.options.unit !== message.unit) continue;
    unit.open(state.context, state.log, (portKind, socket) => accept(state, unit, portKind, socket));
  }
}

function onCloseUnit(state: State, message: MessageOf<typeof frontMessages, 'closeUnit'>): void {
  for (const unit of state.units) if (unit.options.unit === message.unit) unit.close();
  const { actorUnits } = state.options;
  for (const connection of state.connections.values()) {
    const unit = connection.unit?.options.unit ?? actorUnits[connection.owner];
    if (unit === message.unit) closeConnection(state, connection, 'unit');
  }
}

function onDrain(state: State): void {
  state.isDraining = true;
  for (const unit of state.units) unit.stopAccepting();
  for (const connection of state.connections.values()) {
    // Actors still have to talk to each other and to what they dialed, to say good-bye; slaves still acknowledge.
    if (connection.unit === undefined || connection.isLoopback || connection.isStream) continue;
    connection.isHeld = true;
    updateReading(connection);
  }
}

function endOfBatch(state: State): void {
  state.output.flush();
  state.loopback.run();
}

function close(state: State, done: () => void): void {
  state.http?.close();
  for (const unit of state.units) unit.close();
  for (const connection of state.connections.values()) closeConnection(state, connection, 'stop');
  if (state.lingering.size === 0) return done();
  state.whenIdle = done;
  state.context.after(STOP_MS, () => {
    for (const connection of state.lingering) stopLingering(state, connection);
  });
}
