/** Looks at all connections now and then for those that are silent: one timer instead of one for every socket. */
import { closeConnection, stopLingering } from './closing.js';
import type { FrontState } from './state.js';

/** Connections are closed at most this part of the time-out late. */
const SWEEPS_PER_TIMEOUT = 12;
/** How long the last answers of a connection that its actor closed may take to leave. */
const LINGER_MS = 5000;

export function startSweeping(state: FrontState): void {
  const periodMs = Math.min(state.options.idleTimeoutMs, LINGER_MS) / SWEEPS_PER_TIMEOUT;
  const again = (): void => {
    sweep(state);
    state.context.after(periodMs, again);
  };
  state.context.after(periodMs, again);
}

function sweep(state: FrontState): void {
  const now = state.context.clock.monotonic();
  const since = now - state.options.idleTimeoutMs;
  for (const connection of state.connections.values()) {
    // Where we do not read, the silence is ours.
    if (!connection.isReading || connection.isEnded || connection.mayBeSilent) continue;
    if (connection.input.bytes > 0 && connection.partialSinceMs <= since) {
      closeConnection(state, connection, 'slow_frame');
    } else if (connection.lastActivityMs <= since) {
      closeConnection(state, connection, 'idle');
    }
  }
  for (const connection of state.lingering) {
    if (connection.lastActivityMs <= now - LINGER_MS) stopLingering(state, connection);
  }
}
