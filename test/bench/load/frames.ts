/**
 * Requests as bytes, encoded before the clock runs. Written apart from src/remoting on purpose, as the test harness is: a
 * mistake there must not look right here, and the neutral generator's frames are the same byte for byte.
 *
 *     length 4 | type 1, header bytes 3 | header | body          length counts everything after itself
 */
import type { LoadOptions } from './options.js';

export const Code = { PULL: 11, GET_MAX_OFFSET: 30, HEART_BEAT: 34, SEND_V2: 310 } as const;

/** Ten digits, so that an opaque is changed without moving anything. The opaque of slot n is OPAQUE_BASE + n. */
export const OPAQUE_BASE = 1_000_000_000;
const OPAQUE_DIGITS = 10;
/** Of the largest exact integer. */
const OFFSET_DIGITS = 16;
const CLIENT_VERSION = 401;
const LANGUAGE_JAVA = 0;
const TYPE_BINARY = 1 << 24;
const PRODUCER_GROUP = 'load_p';
const CONSUMER_GROUP = 'load_c';

const PullFlag = { COMMIT_OFFSET: 1, SUSPEND: 2, SUBSCRIPTION: 4 } as const;
const SUB_VERSION = 1;

type Fields = Readonly<Record<string, string>>;

export interface Frame {
  readonly bytes: Buffer;
  readonly opaqueAt: number;
  readonly bodyAt: number;
}

function join(headerWord: number, header: Buffer, body: Buffer): Buffer {
  const words = Buffer.alloc(8);
  words.writeInt32BE(4 + header.length + body.length, 0);
  words.writeInt32BE(headerWord | header.length, 4);
  return Buffer.concat([words, header, body]);
}

function jsonHeader(code: number, fields: Fields | undefined, slot = 0): string {
  const rest = { flag: 0, language: 'JAVA', opaque: OPAQUE_BASE + slot, serializeTypeCurrentRPC: 'JSON' };
  return JSON.stringify({ code, extFields: fields, ...rest, version: CLIENT_VERSION });
}

export function jsonFrame(code: number, fields: Fields | undefined, body: Buffer = Buffer.alloc(0)): Frame {
  const header = Buffer.from(jsonHeader(code, fields));
  const opaqueAt = 8 + header.lastIndexOf('"opaque":') + '"opaque":'.length;
  return { bytes: join(0, header, body), opaqueAt, bodyAt: 8 + header.length };
}

/** code i16 | language i8 | version i16 | opaque i32 | flag i32 | remark length i32 | ext length i32 | ext */
const BINARY = {
  code: 0,
  language: 2,
  version: 3,
  opaque: 5,
  flag: 9,
  remarkBytes: 13,
  extBytes: 17,
  ext: 21,
} as const;

export function binaryFrame(code: number, fields: Fields, body: Buffer): Frame {
  const ext = Buffer.concat(Object.entries(fields).flatMap(([name, value]) => [sized(name, 2), sized(value, 4)]));
  const header = Buffer.alloc(BINARY.ext + ext.length);
  header.writeInt16BE(code, BINARY.code);
  header.writeInt8(LANGUAGE_JAVA, BINARY.language);
  header.writeInt16BE(CLIENT_VERSION, BINARY.version);
  header.writeInt32BE(OPAQUE_BASE, BINARY.opaque);
  header.writeInt32BE(ext.length, BINARY.extBytes);
  ext.copy(header, BINARY.ext);
  return { bytes: join(TYPE_BINARY, header, body), opaqueAt: 8 + BINARY.opaque, bodyAt: 8 + header.length };
}

function sized(text: string, lengthBytes: 2 | 4): Buffer {
  const bytes = Buffer.from(text);
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntBE(bytes.length, 0, lengthBytes);
  return Buffer.concat([length, bytes]);
}

/** `count` copies of a frame, one behind the other, with the opaques of slots 0 to count - 1. */
export function slotFrames(frame: Frame, count: number, binary: boolean): Buffer {
  const { length } = frame.bytes;
  const slots = Buffer.alloc(length * count);
  for (let slot = 0; slot < count; slot++) {
    frame.bytes.copy(slots, slot * length);
    const at = slot * length + frame.opaqueAt;
    const opaque = OPAQUE_BASE + slot;
    if (binary) slots.writeInt32BE(opaque, at);
    else slots.write(String(opaque), at, OPAQUE_DIGITS, 'latin1');
  }
  return slots;
}

export function sendFrame(options: LoadOptions, queueId: number): Frame {
  // Source: SendMessageRequestHeaderV2.java.
  const fields = {
    a: PRODUCER_GROUP,
    b: options.topic,
    c: 'TBW102',
    d: '4',
    e: String(queueId),
    f: '0',
    g: String(Date.now()),
    h: '0',
    i: 'WAIT\u0001true\u0002TAGS\u0001t',
    j: '0',
    k: 'false',
    m: 'false',
  };
  const body = Buffer.alloc(options.sizeBytes, 'x');
  return options.binary ? binaryFrame(Code.SEND_V2, fields, body) : jsonFrame(Code.SEND_V2, fields, body);
}

/** Registers the consumer group, so that brokers accept its pulls. */
export function heartbeatFrame(topic: string, group = CONSUMER_GROUP): Frame {
  const body = {
    clientID: `load@${process.pid}`,
    consumerDataSet: [
      {
        consumeFromWhere: 'CONSUME_FROM_FIRST_OFFSET',
        consumeType: 'CONSUME_PASSIVELY',
        groupName: group,
        messageModel: 'CLUSTERING',
        subscriptionDataSet: [
          {
            classFilterMode: false,
            codeSet: [],
            expressionType: 'TAG',
            subString: '*',
            subVersion: SUB_VERSION,
            tagsSet: [],
            topic,
          },
        ],
        unitMode: false,
      },
    ],
    producerDataSet: [],
  };
  return jsonFrame(Code.HEART_BEAT, undefined, Buffer.from(JSON.stringify(body)));
}

export function maxOffsetFrame(topic: string, queueId: number): Frame {
  return jsonFrame(Code.GET_MAX_OFFSET, { topic, queueId: String(queueId) });
}

/** Who pulls like a push consumer: by the subscription of the group's heartbeat, committing its offset. */
export interface Member {
  readonly group: string;
  /** One for each queue that it pulls on the same connection. */
  readonly slot: number;
}

/** A pull of one queue whose offsets change with every request: their digits are written between fixed parts. */
export class PullFrame {
  readonly #bytes: Buffer;
  readonly #offsetAt: number;
  readonly #middle: Buffer;
  readonly #tail: Buffer;

  /**
   * `suspendMs` > 0 holds the pull at the broker until messages come, at most so long. Without a `member` it brings its
   * subscription along and commits nothing.
   */
  constructor(topic: string, queueId: number, batch: number, suspendMs: number, member?: Member) {
    const kind = member === undefined ? PullFlag.SUBSCRIPTION : PullFlag.COMMIT_OFFSET;
    const header = jsonHeader(
      Code.PULL,
      {
        consumerGroup: member?.group ?? CONSUMER_GROUP,
        topic,
        queueId: String(queueId),
        queueOffset: '0',
        maxMsgNums: String(batch),
        sysFlag: String(kind | (suspendMs > 0 ? PullFlag.SUSPEND : 0)),
        commitOffset: '0',
        suspendTimeoutMillis: String(suspendMs),
        ...(member === undefined ? { subscription: '*', subVersion: '0' } : { subVersion: String(SUB_VERSION) }),
        expressionType: 'TAG',
      },
      member?.slot,
    );
    const offsetAt = behind(header, '"queueOffset":"');
    const commitAt = behind(header, '"commitOffset":"');
    this.#offsetAt = 8 + offsetAt;
    this.#middle = Buffer.from(header.slice(offsetAt + 1, commitAt));
    this.#tail = Buffer.from(header.slice(commitAt + 1));
    this.#bytes = Buffer.alloc(8 + header.length + 2 * OFFSET_DIGITS);
    this.#bytes.write(header, 8, 'latin1');
  }

  /** Valid until the next call; the answer to the request before must have come, so that its bytes have left. */
  at(queueOffset: number, commitOffset = 0): Buffer {
    const bytes = this.#bytes;
    const middleAt = this.#offsetAt + bytes.write(String(queueOffset), this.#offsetAt, 'latin1');
    const commitAt = middleAt + this.#middle.copy(bytes, middleAt);
    const tailAt = commitAt + bytes.write(String(commitOffset), commitAt, 'latin1');
    const end = tailAt + this.#tail.copy(bytes, tailAt);
    bytes.writeInt32BE(end - 4, 0);
    bytes.writeInt32BE(end - 8, 4);
    return bytes.subarray(0, end);
  }
}

function behind(text: string, key: string): number {
  return text.indexOf(key) + key.length;
}
