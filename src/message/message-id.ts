/**
 * offsetMsgId: where a message lies in the cluster, as upper-case hex of the store host (8 or 20 bytes) and the
 * physical offset (8 bytes): 32 or 56 characters. Source: MessageDecoder.createMessageId, decodeMessageId.
 */
import { HOST_V4_BYTES, HOST_V6_BYTES } from './host.js';

export interface MessageId {
  /** Encoded host (host.ts): 8 or 20 bytes. */
  readonly storeHost: Uint8Array;
  readonly commitLogOffset: number;
}

const HEX = Buffer.from('0123456789ABCDEF', 'latin1');
const TWO_32 = 0x1_0000_0000;

/** Characters of the id of a message stored by a host of that many bytes. */
export function messageIdChars(storeHostBytes: number): number {
  return 2 * (storeHostBytes + 8);
}

/** Writes the id as ASCII and returns the position after it. */
export function writeMessageId(
  target: Uint8Array,
  at: number,
  storeHost: Uint8Array,
  storeHostAt: number,
  storeHostBytes: number,
  commitLogOffset: number,
): number {
  let next = at;
  for (let i = 0; i < storeHostBytes; i++) next = writeByte(target, next, storeHost[storeHostAt + i]!);
  next = writeWord(target, next, Math.floor(commitLogOffset / TWO_32));
  return writeWord(target, next, commitLogOffset >>> 0);
}

function writeWord(target: Uint8Array, at: number, word: number): number {
  for (let shift = 28; shift >= 0; shift -= 4) target[at++] = HEX[(word >>> shift) & 0xf]!;
  return at;
}

function writeByte(target: Uint8Array, at: number, byte: number): number {
  target[at] = HEX[byte >>> 4]!;
  target[at + 1] = HEX[byte & 0xf]!;
  return at + 2;
}

/** The id as text: for tools and logs. */
export function formatMessageId(id: MessageId): string {
  const target = Buffer.alloc(messageIdChars(id.storeHost.length));
  writeMessageId(target, 0, id.storeHost, 0, id.storeHost.length, id.commitLogOffset);
  return target.toString('latin1');
}

/** Reads an id in either case; undefined when it is none. */
export function parseMessageId(text: string): MessageId | undefined {
  const hostBytes = text.length === messageIdChars(HOST_V4_BYTES) ? HOST_V4_BYTES : HOST_V6_BYTES;
  if (text.length !== messageIdChars(hostBytes) || !/^[0-9a-fA-F]+$/.test(text)) return undefined;
  const bytes = Buffer.from(text, 'hex');
  const commitLogOffset = bytes.readInt32BE(hostBytes) * TWO_32 + bytes.readUInt32BE(hostBytes + 4);
  if (commitLogOffset < 0 || !Number.isSafeInteger(commitLogOffset)) return undefined;
  return { storeHost: new Uint8Array(bytes.subarray(0, hostBytes)), commitLogOffset };
}
