/**
 * Unread answers of all connections together are bounded: when they pass the limit, those connections are closed that
 * have most of them, until the rest fits. What a connection that is closing still has to send goes first.
 */
import { closeConnection, stopLingering } from './closing.js';
import { type Connection, remoteOf } from './connection.js';
import type { FrontState } from './state.js';

/** Called when as much was written since the last call as may wait at all; most of it has left by then as a rule. */
export function relieve(state: FrontState): void {
  const { options, output, lingering, connections } = state;
  const limitBytes = options.outputTotalBytes;
  let unread = unreadBytes(connections.values()) + unreadBytes(lingering);
  for (const connection of lingering) {
    if (unread <= limitBytes) break;
    unread -= unreadOf(connection);
    stopLingering(state, connection);
  }
  while (unread > limitBytes) {
    const connection = largest(connections.values());
    const bytes = unreadOf(connection);
    unread -= bytes;
    state.log.warn('slow_readers', 'connection closed: answers that nobody reads take too much memory', {
      connection: connection.id,
      remote: remoteOf(connection.socket),
      unreadBytes: bytes,
      limitBytes,
    });
    closeConnection(state, connection, 'slow_reader');
  }
  output.waitingBytes = unread;
}

function unreadOf(connection: Connection): number {
  return connection.outputBytes + connection.socket.bufferedBytes;
}

function unreadBytes(connections: Iterable<Connection>): number {
  let sum = 0;
  for (const connection of connections) sum += unreadOf(connection);
  return sum;
}

function largest(connections: Iterable<Connection>): Connection {
  let found: Connection | undefined;
  for (const connection of connections) {
    if (found === undefined || unreadOf(connection) > unreadOf(found)) found = connection;
  }
  return found!;
}
