/** What the front actor understands. All on the reply lane: the front always takes everything at once. */
import { messageTable, shape } from '../../runtime/message.js';

export interface Dial {
  readonly host: string;
  readonly port: number;
  readonly isStream?: true;
}

export const frontMessages = messageTable({
  /** Whole frames, length words included, for one connection; of a stream any bytes. Dropped when the connection is gone. */
  write: { id: 1, lane: 'reply', fields: { connection: 'i32' }, bytes: true },
  /** Closes a connection after what was written has left. */
  close: { id: 2, lane: 'reply', fields: { connection: 'i32' } },
  /**
   * Opens a connection for the sender. Answered by `dialed` or `dialFailed` with the same token. An address that this
   * front listens on itself is short-circuited with a pair of synthetic connections. `isStream`: what comes back has no
   * frames and is handed on as streamMessages.bytes.
   */
  dial: { id: 3, lane: 'reply', fields: { token: 'i32' }, msgpack: shape<Dial>() },
  /** From the supervisor: bind a unit's listeners (its actors run), or close them and all their connections. */
  openUnit: { id: 4, lane: 'reply', fields: { unit: 'i32' } },
  closeUnit: { id: 5, lane: 'reply', fields: { unit: 'i32' } },
  /** From the supervisor at an orderly stop: accept nothing more, read nothing more; answers still leave. */
  drain: { id: 6, lane: 'reply' },
});
