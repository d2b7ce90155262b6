/**
 * Whole commands as objects, for paths that are not walked per message: admin requests, registration, what a broker asks its
 * clients, and our own client. The hot path uses request-scan.ts and response-writer.ts instead.
 */
import { invariant } from '../base/invariant.js';
import { quote } from './fastjson-writer.js';
import {
  checkFrame,
  FRAME,
  frameProblemText,
  HEADER_LENGTH_MASK,
  headerBytes,
  headerSerialization,
  MAX_FRAME_BYTES,
  Serialization,
} from './frame.js';
import type { RequestScan } from './request-scan.js';
import { Language, languageName, OUR_VERSION } from './version.js';

export interface Command {
  readonly code: number;
  readonly opaque: number;
  readonly flag: number;
  /** Code of version.ts `Language`. */
  readonly language: number;
  readonly version: number;
  readonly serialization: Serialization;
  readonly remark: string | undefined;
  /** In the order of the wire; absent (null) ones are left out. */
  readonly ext: ReadonlyMap<string, string>;
}

/** Bits of `flag`. Source: RemotingCommand.RPC_TYPE, RPC_ONEWAY. */
export const Flag = { REQUEST: 0, RESPONSE: 1, ONE_WAY: 2 } as const;

const NO_EXT: ReadonlyMap<string, string> = new Map();
const NO_BODY = Buffer.alloc(0);

/** The scanned header as an object of its own, which outlives the scan. */
export function decodeCommand(scan: RequestScan): Command {
  const ext = new Map<string, string>();
  for (let index = 0; index < scan.count; index++) {
    if (scan.isPresent(index)) ext.set(scan.key(index), scan.string(index));
    else ext.delete(scan.key(index));
  }
  return {
    code: scan.code,
    opaque: scan.opaque,
    flag: scan.flag,
    language: scan.language,
    version: scan.version,
    serialization: scan.serialization,
    remark: scan.remark(),
    ext,
  };
}

export type DecodedFrame =
  | { readonly command: Command; readonly body: Buffer; readonly problem?: undefined }
  | { readonly problem: string };

/** Reads one complete frame. The body is a view of `frame`. */
export function decodeFrame(scan: RequestScan, frame: Buffer): DecodedFrame {
  if (frame.length < FRAME.header)
    return { problem: `frame of ${frame.length} bytes, at least ${FRAME.header} expected` };
  const lengthWord = frame.readInt32BE(FRAME.length);
  const headerWord = frame.readInt32BE(FRAME.headerWord);
  const totalBytes = checkFrame(lengthWord, headerWord);
  if (totalBytes < 0) return { problem: frameProblemText(totalBytes, lengthWord, headerWord) };
  if (totalBytes !== frame.length) return { problem: `frame says ${totalBytes} bytes and has ${frame.length}` };
  const headerEnd = FRAME.header + headerBytes(headerWord);
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (!scan.scan(frame, view, FRAME.header, headerEnd, headerSerialization(headerWord))) {
    return { problem: `${scan.problem} (header byte ${scan.problemAt})` };
  }
  return { command: decodeCommand(scan), body: frame.subarray(headerEnd) };
}

export interface FrameParts {
  readonly code: number;
  readonly opaque: number;
  readonly flag?: number;
  readonly language?: number;
  readonly version?: number;
  readonly serialization?: Serialization;
  readonly remark?: string | undefined;
  /** Values that are undefined are left out. */
  readonly ext?: ReadonlyMap<string, string> | Readonly<Record<string, string | undefined>>;
}

/**
 * One frame, as RemotingCommand.encode writes it: JSON keys in fastjson's alphabetical order with absent ones left out, ext
 * values always strings, in the order given. In the binary form an empty value reads as absent on the other side, and
 * codes are 16 bits wide.
 */
export function encodeFrame(parts: FrameParts, body: Uint8Array = NO_BODY): Buffer {
  const frame = tryEncodeFrame(parts, body);
  invariant(frame !== undefined, 'no frame can hold it', parts.code, body.length);
  return frame;
}

/**
 * The same for what others made: undefined when it is longer than a frame, or when the binary form has no room for its
 * code or the name of a field.
 */
export function tryEncodeFrame(parts: FrameParts, body: Uint8Array = NO_BODY): Buffer | undefined {
  const serialization = parts.serialization ?? Serialization.JSON;
  const header = serialization === Serialization.JSON ? jsonHeader(parts) : binaryHeader(parts);
  if (header === undefined) return undefined;
  const totalBytes = FRAME.header + header.length + body.length;
  if (totalBytes > MAX_FRAME_BYTES || header.length > HEADER_LENGTH_MASK) return undefined;
  const frame = Buffer.allocUnsafe(totalBytes);
  frame.writeInt32BE(totalBytes - FRAME.headerWord, FRAME.length);
  frame.writeInt32BE((serialization << 24) | header.length, FRAME.headerWord);
  frame.set(header, FRAME.header);
  frame.set(body, FRAME.header + header.length);
  return frame;
}

function jsonHeader(parts: FrameParts): Buffer {
  const ext = [...extEntries(parts)].map(([key, value]) => `${quote(key)}:${quote(value)}`).join(',');
  const text = [
    `{"code":${parts.code}`,
    ext === '' ? '' : `,"extFields":{${ext}}`,
    `,"flag":${parts.flag ?? Flag.REQUEST},"language":"${languageName(parts.language ?? Language.JAVA)}"`,
    `,"opaque":${parts.opaque}`,
    parts.remark === undefined ? '' : `,"remark":${quote(parts.remark)}`,
    `,"serializeTypeCurrentRPC":"JSON","version":${parts.version ?? OUR_VERSION}}`,
  ].join('');
  return Buffer.from(text);
}

function binaryHeader(parts: FrameParts): Buffer | undefined {
  if (parts.code !== (parts.code << 16) >> 16) return undefined;
  const remark = Buffer.from(parts.remark ?? '');
  const fields: Buffer[] = [];
  for (const [key, value] of extEntries(parts)) {
    const keyBytes = Buffer.from(key);
    const valueBytes = Buffer.from(value);
    if (keyBytes.length > 0x7fff) return undefined;
    const lengths = Buffer.alloc(6);
    lengths.writeInt16BE(keyBytes.length, 0);
    lengths.writeInt32BE(valueBytes.length, 2);
    fields.push(lengths.subarray(0, 2), keyBytes, lengths.subarray(2), valueBytes);
  }
  const ext = Buffer.concat(fields);
  const fixed = Buffer.alloc(17);
  fixed.writeInt16BE(parts.code, 0);
  fixed.writeInt8(parts.language ?? Language.JAVA, 2);
  fixed.writeInt16BE(parts.version ?? OUR_VERSION, 3);
  fixed.writeInt32BE(parts.opaque, 5);
  fixed.writeInt32BE(parts.flag ?? Flag.REQUEST, 9);
  fixed.writeInt32BE(remark.length, 13);
  const extLength = Buffer.alloc(4);
  extLength.writeInt32BE(ext.length);
  return Buffer.concat([fixed, remark, extLength, ext]);
}

function* extEntries(parts: FrameParts): Iterable<[string, string]> {
  const ext = parts.ext ?? NO_EXT;
  const entries: Iterable<[string, string | undefined]> = ext instanceof Map ? ext : Object.entries(ext);
  for (const [key, value] of entries) {
    if (value !== undefined) yield [key, value];
  }
}
