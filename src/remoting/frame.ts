/**
 * The outermost layout of every message on a RocketMQ connection (source: NettyDecoder.java, RemotingCommand.java 4.9.7):
 *
 *      0        4        8            8+H           4+L
 *      | int32  | int32  |  H bytes   |  L-4-H bytes |
 *      |   L    | T << 24 | header     |  body        |
 *      |        |  or H   |            |              |
 *
 * L counts everything after its own word, T says how the header is serialized. A frame that breaks these rules closes
 * the connection without an answer, because nothing behind it can be trusted to be a frame boundary.
 */
import { invariant } from '../base/invariant.js';
import { MIB } from '../base/units.js';

export const FRAME = { length: 0, headerWord: 4, header: 8 } as const;

/** Largest 4 + L. Source: NettyDecoder.FRAME_MAX_LENGTH, property com.rocketmq.remoting.frameMaxLength. */
export const MAX_FRAME_BYTES = 16 * MIB;

export const HEADER_LENGTH_MASK = 0xff_ffff;

/** How the header is written; the number is the wire's type byte. Source: SerializeType.java. */
export const Serialization = { JSON: 0, ROCKETMQ: 1 } as const;
export type Serialization = (typeof Serialization)[keyof typeof Serialization];

invariant(MAX_FRAME_BYTES === HEADER_LENGTH_MASK + 1, 'a header length always fits its 24 bits');

/** Why a frame cannot be read. Negative, so that `checkFrame` answers with a length or a problem and allocates nothing. */
export const FrameProblem = {
  NEGATIVE_LENGTH: -1,
  TOO_SHORT: -2,
  OVERSIZED: -3,
  HEADER_LONGER_THAN_FRAME: -4,
  UNKNOWN_SERIALIZATION: -5,
} as const;

/**
 * Judges the length word alone, which is enough to refuse a frame before anything of it is buffered.
 * Answers the bytes of the whole frame (4 + L), or a FrameProblem.
 */
export function checkLength(lengthWord: number): number {
  if (lengthWord < 0) return FrameProblem.NEGATIVE_LENGTH;
  if (lengthWord < FRAME.header - FRAME.headerWord) return FrameProblem.TOO_SHORT;
  if (lengthWord > MAX_FRAME_BYTES - FRAME.headerWord) return FrameProblem.OVERSIZED;
  return FRAME.headerWord + lengthWord;
}

/** Judges the first eight bytes, given as two big-endian int32. Answers the bytes of the whole frame or a FrameProblem. */
export function checkFrame(lengthWord: number, headerWord: number): number {
  const totalBytes = checkLength(lengthWord);
  if (totalBytes < 0) return totalBytes;
  if (headerWord >>> 24 > Serialization.ROCKETMQ) return FrameProblem.UNKNOWN_SERIALIZATION;
  if (FRAME.header + headerBytes(headerWord) > totalBytes) return FrameProblem.HEADER_LONGER_THAN_FRAME;
  return totalBytes;
}

/** Length of the header, from the second word of a frame. */
export function headerBytes(headerWord: number): number {
  return headerWord & HEADER_LENGTH_MASK;
}

/** Serialization of the header, from the second word of a frame that `checkFrame` accepted. */
export function headerSerialization(headerWord: number): Serialization {
  return headerWord >>> 24 === 0 ? Serialization.JSON : Serialization.ROCKETMQ;
}

/** For the log line that goes with closing the connection: what was wrong, with the numbers that were read. */
export function frameProblemText(problem: number, lengthWord: number, headerWord: number): string {
  switch (problem) {
    case FrameProblem.NEGATIVE_LENGTH:
      return `frame length ${lengthWord} is negative: the peer does not speak the RocketMQ remoting protocol`;
    case FrameProblem.TOO_SHORT:
      return `frame length ${lengthWord} leaves no room for the header word of 4 bytes`;
    case FrameProblem.OVERSIZED:
      return `frame of ${lengthWord + 4} bytes is over the limit of ${MAX_FRAME_BYTES} bytes`;
    case FrameProblem.UNKNOWN_SERIALIZATION:
      return `unknown serialization type ${headerWord >>> 24}, known are 0 (JSON) and 1 (ROCKETMQ)`;
    case FrameProblem.HEADER_LONGER_THAN_FRAME:
      return `header of ${headerBytes(headerWord)} bytes does not fit into a frame of ${lengthWord + 4} bytes`;
    default:
      return `unknown frame problem ${problem}`;
  }
}
