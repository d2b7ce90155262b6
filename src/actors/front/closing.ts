/** The end of a connection: who is told, and what becomes of what was written. */
import { connectionMessages } from './connection-messages.js';
import { type Connection, NOBODY, Phase } from './connection.js';
import { CLOSE_REASONS, type CloseReason } from './counters.js';
import type { FrontState } from './state.js';

/**
 * Ends a connection and tells its actors, once. When the actor behind it asks for that, or at an orderly stop, the socket
 * goes after what was written has left; otherwise at once.
 */
export function closeConnection(state: FrontState, connection: Connection, reason: CloseReason): void {
  if (connection.phase === Phase.CLOSED) return;
  const isAnnounced = connection.phase === Phase.OPEN;
  connection.phase = Phase.CLOSED;
  state.connections.delete(connection.id);
  state.stalls.remove(connection);
  connection.budget.release(connection);
  connection.input.clear();
  connection.counters.closed(reason).add(1);
  connection.counters.connections.add(-1);
  if (isAnnounced) tellClosed(state, connection);
  if ((reason === 'actor' || reason === 'stop') && !connection.isEnded) {
    linger(state, connection);
  } else {
    connection.takeOutput();
    connection.socket.destroy(CLOSE_REASONS[reason]);
    forget(state, connection);
  }
}

/** The socket is gone. Whole frames that it brought and that wait for room are handed on first. */
export function lost(state: FrontState, connection: Connection): void {
  if (state.lingering.delete(connection)) forget(state, connection);
  if (connection.phase === Phase.CLOSED) return;
  connection.isEnded = true;
  if (connection.stalledOn === NOBODY || connection.input.bytes === 0) closeConnection(state, connection, 'peer');
}

/** Gives up what has not left yet. */
export function stopLingering(state: FrontState, connection: Connection): void {
  if (!state.lingering.delete(connection)) return;
  connection.socket.destroy('the peer did not take what was written in time');
  forget(state, connection);
}

/** Reads from a connection unless its input waits for something inside the process. */
export function updateReading(connection: Connection): void {
  if (connection.phase === Phase.CLOSED || connection.isEnded) return;
  const isReading = connection.stalledOn === NOBODY && connection.awaitedBytes === 0 && !connection.isHeld;
  if (isReading === connection.isReading) return;
  connection.isReading = isReading;
  if (isReading) connection.socket.resume();
  else connection.socket.pause();
}

function linger(state: FrontState, connection: Connection): void {
  state.output.writeOut(connection);
  connection.lastActivityMs = state.context.clock.monotonic();
  state.lingering.add(connection);
  // The end of the peer's stream is behind what it sent: read on, to drop it.
  if (!connection.isReading) connection.socket.resume();
  connection.socket.end();
}

function forget(state: FrontState, connection: Connection): void {
  if (connection.isCounted) state.acceptedCount--;
  if (state.lingering.size === 0) state.whenIdle?.();
}

function tellClosed(state: FrontState, connection: Connection): void {
  const message = { connection: connection.id };
  state.context.send(connection.owner, connectionMessages.closed, message);
  for (const host of connection.hosts) state.context.send(host, connectionMessages.closed, message);
}
