/**
 * The ROCKETMQ serialization of a header: code i16, language i8, version i16, opaque i32, flag i32, remark with a length of
 * i32, fields with a length of i32; each field a name with a length of i16 and a value with one of i32. All big-endian.
 * Source: RocketMQSerializable.java. Written apart from src/remoting on purpose.
 */

/** What the JSON serialization has under the same names. */
export interface BinaryHeader {
  readonly code: number;
  readonly language: number;
  readonly version: number;
  readonly opaque: number;
  readonly flag: number;
  readonly remark?: string;
  readonly extFields?: Readonly<Record<string, string>>;
}

const FIXED_BYTES = 13;

export function encodeBinaryHeader(header: BinaryHeader): Buffer {
  const fixed = Buffer.alloc(FIXED_BYTES);
  fixed.writeInt16BE(header.code, 0);
  fixed.writeInt8(header.language, 2);
  fixed.writeInt16BE(header.version, 3);
  fixed.writeInt32BE(header.opaque, 5);
  fixed.writeInt32BE(header.flag, 9);
  const fields = Object.entries(header.extFields ?? {}).flatMap(([name, value]) => [
    withLength(Buffer.from(name), 2),
    withLength(Buffer.from(value), 4),
  ]);
  return Buffer.concat([fixed, withLength(Buffer.from(header.remark ?? ''), 4), withLength(Buffer.concat(fields), 4)]);
}

function withLength(bytes: Buffer, lengthBytes: number): Buffer {
  const length = Buffer.alloc(lengthBytes);
  length.writeIntBE(bytes.length, 0, lengthBytes);
  return Buffer.concat([length, bytes]);
}

export function decodeBinaryHeader(bytes: Buffer): BinaryHeader {
  let at = FIXED_BYTES;
  const take = (lengthBytes: number): string => {
    const from = at + lengthBytes;
    at = from + bytes.readIntBE(at, lengthBytes);
    return bytes.toString('utf8', from, at);
  };
  const remark = take(4);
  const extFields: Record<string, string> = {};
  const end = at + 4 + bytes.readInt32BE(at);
  at += 4;
  while (at < end) {
    const name = take(2);
    extFields[name] = take(4);
  }
  return {
    code: bytes.readInt16BE(0),
    language: bytes.readInt8(2),
    version: bytes.readInt16BE(3),
    opaque: bytes.readInt32BE(5),
    flag: bytes.readInt32BE(9),
    ...(remark === '' ? {} : { remark }),
    ...(Object.keys(extFields).length === 0 ? {} : { extFields }),
  };
}
