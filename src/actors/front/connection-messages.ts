/**
 * What the front actor tells the actors behind its listeners (name servers, brokers, queue hosts). Every such actor
 * spreads `connectionRows` into its own table, so that ids and layouts agree; own kinds start at 16.
 *
 * A connection id is a positive int32 that is never used again in the life of the process.
 */
import { messageTable, shape } from '../../runtime/message.js';

export const FIRST_OWN_KIND = 16;

/** Facts of an accepted connection. */
export interface Opened {
  readonly remoteAddress: string;
  readonly remotePort: number;
}

export const connectionRows = {
  /**
   * One remoting frame without its length word: `u8 serialization, u24 header length, header, body`.
   * `receivedMs`: wall clock of the front when the last byte was there. `listener`: index in PORT_KIND.
   */
  frame: { id: 1, fields: { connection: 'i32', portKind: 'i32', receivedMs: 'offset' }, bytes: true },
  /** An accepted connection, before its first frame. Only the actor that owns the listener hears of it. */
  opened: { id: 2, fields: { connection: 'i32' }, msgpack: shape<Opened>() },
  /** A connection is gone, accepted or dialed. Queue hosts hear it too; they drop its parked pulls. */
  closed: { id: 3, fields: { connection: 'i32' } },
  /**
   * Answer to front.dial: the connection is the caller's, its frames come as `frame`. When the address is one that this
   * front listens on: who got the other end, and its id there; otherwise -1 and 0.
   */
  dialed: { id: 4, fields: { token: 'i32', connection: 'i32', peerActor: 'i32', peerConnection: 'i32' } },
  dialFailed: { id: 5, fields: { token: 'i32' }, msgpack: shape<{ reason: string }>() },
  /** The unit's listeners are bound: what to advertise. Ports are 0 where there is none. */
  bound: { id: 6, fields: { port: 'i32', vipPort: 'i32', haPort: 'i32' } },
} as const;

export const connectionMessages = messageTable(connectionRows);

/** Connections without frames (the HA port's, and dials that ask for one): their bytes, cut anywhere. */
export const streamRows = {
  bytes: { id: 7, fields: { connection: 'i32' }, bytes: true },
} as const;

export const streamMessages = messageTable(streamRows);

/** Which of a unit's ports a frame came in by. */
export const PORT_KIND = { main: 0, vip: 1, ha: 2, dialed: 3 } as const;
