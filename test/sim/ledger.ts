/**
 * What the clients of one simulation have sent, and what they were told: every answer is held against what the stores
 * hold at that moment, and everything again at the end.
 */
import type { Answer } from '../support/remoting-client.js';
import { MASTERS, type Master, type Role, SLAVE_OF, type SimCluster } from './sim-cluster.js';
import { type LogPlace, logBytes, messageAt, queueKey, type StoredMessage } from './stored.js';

export const SendCode = {
  OK: 0,
  FLUSH_DISK_TIMEOUT: 10,
  SLAVE_NOT_AVAILABLE: 11,
  FLUSH_SLAVE_TIMEOUT: 12,
} as const;
const SERVICE_NOT_AVAILABLE = 14;
/** The message is stored, whatever else was missed. */
const STORED_CODES: readonly number[] = Object.values(SendCode);

/** One message. `unknown`: not answered (yet, or ever): stored at most once. */
export interface Sent {
  readonly id: number;
  readonly master: Master;
  readonly topic: string;
  readonly tag: string;
  readonly bodyBytes: number;
  /** Property WAIT is not false: SEND_OK promises a copy on the slave. */
  readonly waits: boolean;
  fate: 'unknown' | 'stored' | 'refused';
  queueId: number;
  queueOffset: number;
  physicalOffset: number;
  /** Code of the answer, and when it came (monotonic ms); -1 before. */
  code: number;
  answeredMs: number;
}

/** Messages that a filtered pull gave for [from, next). */
export interface Filtered {
  readonly role: Role;
  readonly topic: string;
  readonly queueId: number;
  readonly tag: string;
  readonly from: number;
  readonly next: number;
  readonly ids: readonly number[];
}

export class Violation extends Error {
  override readonly name = 'Violation';
}

export function violated(what: string): never {
  throw new Violation(what);
}

export class Ledger {
  readonly sent: Sent[] = [];
  readonly filtered: Filtered[] = [];
  /** Send answers by code, pulls by code: for the campaign's report, and so that a test sees that something happened. */
  readonly answers = new Map<string, number>();
  /** `master/topic-queue` -> ids by queue offset, as consumers saw them. */
  private readonly seen = new Map<string, Map<number, number>>();
  /** `role/topic-queue` -> highest queue offset that a client was told of there. */
  private readonly told = new Map<string, number>();

  constructor(private readonly cluster: SimCluster) {}

  // ---- sends

  next(master: Master, topic: string, tag: string, bodyBytes: number, waits: boolean): Sent {
    const id = this.sent.length;
    const message: Sent = {
      id,
      master,
      topic,
      tag,
      bodyBytes: Math.max(bodyBytes, `${id}.`.length),
      waits,
      fate: 'unknown',
      queueId: -1,
      queueOffset: -1,
      physicalOffset: -1,
      code: -1,
      answeredMs: -1,
    };
    this.sent.push(message);
    return message;
  }

  /** The answer to a send of one message, or of several as a batch. */
  answered(messages: readonly Sent[], answer: Answer): void {
    const { code, fields, remark } = answer;
    this.count(`send ${code}`);
    for (const message of messages) {
      message.code = code;
      message.answeredMs = this.cluster.nowMs;
    }
    if (!STORED_CODES.includes(code)) {
      // What the disk refused stays in the log's window and may be written later, as after a time-out.
      if (code !== SERVICE_NOT_AVAILABLE) for (const message of messages) message.fate = 'refused';
      if (remark === '') violated(`send refused with ${code} and no remark`);
      return;
    }
    const ids = fields.msgId!.split(',');
    if (ids.length !== messages.length)
      violated(`${messages.length} messages were answered with the id ${fields.msgId}`);
    for (const [index, message] of messages.entries()) {
      message.fate = 'stored';
      message.queueId = Number(fields.queueId);
      message.queueOffset = Number(fields.queueOffset) + index;
      message.physicalOffset = Number(BigInt(`0x${ids[index]!.slice(-16)}`));
      this.checkStored(message, code);
      this.tell(message.master, message.topic, message.queueId, message.queueOffset + 1);
    }
  }

  private checkStored(message: Sent, code: number): void {
    const { master, physicalOffset } = message;
    const disk = this.cluster.diskOf(master);
    const stored = messageAt(disk, this.logOf(master), physicalOffset);
    if (stored === undefined) violated(`${textOf(message)} was acknowledged and is not in its master's log`);
    this.checkSame(message, stored, master);
    if (code !== SendCode.OK || !message.waits || this.cluster.shape.replication === 'ASYNC_MASTER') return;
    const slave = SLAVE_OF[master];
    const from = physicalOffset;
    const to = from + stored.sizeBytes;
    const copy = logBytes(this.cluster.diskOf(slave), this.logOf(slave), from, to);
    if (!copy.equals(logBytes(disk, this.logOf(master), from, to))) {
      violated(`${textOf(message)} was answered SEND_OK and ${slave} does not have it`);
    }
  }

  /** A stored record is the message that was acknowledged there. */
  checkSame(message: Sent, stored: StoredMessage, where: string): void {
    const isSame =
      stored.topic === message.topic &&
      stored.queueId === message.queueId &&
      stored.queueOffset === message.queueOffset &&
      stored.body.equals(bodyOf(message));
    if (isSame) return;
    const there = `${queueKey(stored.topic, stored.queueId)} ${stored.queueOffset}, "${stored.body.toString('latin1', 0, 20)}"`;
    violated(`${textOf(message)}: ${where} has ${there} at ${stored.physicalOffset}`);
  }

  logOf(role: string): LogPlace {
    const settings = this.cluster.settingsOf(role);
    return { directory: settings.storePathCommitLog, fileBytes: settings.mappedFileSizeCommitLog };
  }

  // ---- what clients know of queues

  tell(role: Role, topic: string, queueId: number, queueOffset: number): void {
    const key = `${role}/${queueKey(topic, queueId)}`;
    this.told.set(key, Math.max(this.told.get(key) ?? 0, queueOffset));
  }

  toldOf(role: Role, topic: string, queueId: number): number {
    return this.told.get(`${role}/${queueKey(topic, queueId)}`) ?? 0;
  }

  /** A consumer got that message at that place: everybody who looks there gets the same. */
  saw(role: Role, topic: string, queueId: number, queueOffset: number, body: Buffer): Sent {
    const id = Number.parseInt(body.toString('latin1', 0, Math.min(12, body.length)), 10);
    const message = this.sent[id];
    const where = `${role} ${queueKey(topic, queueId)} ${queueOffset}`;
    if (message === undefined || !body.equals(bodyOf(message))) violated(`${where} holds a message that nobody sent`);
    const master = masterOf(role);
    if (message.topic !== topic || message.master !== master) violated(`${where} holds ${textOf(message)}`);
    const isElsewhere =
      message.fate === 'stored' && (message.queueId !== queueId || message.queueOffset !== queueOffset);
    if (message.fate === 'refused' || isElsewhere) violated(`${where} holds ${textOf(message)}`);
    const key = `${master}/${queueKey(topic, queueId)}`;
    let ofQueue = this.seen.get(key);
    if (ofQueue === undefined) {
      ofQueue = new Map();
      this.seen.set(key, ofQueue);
    }
    const before = ofQueue.get(queueOffset);
    if (before !== undefined && before !== id) violated(`${where} held message ${before} before and ${id} now`);
    ofQueue.set(queueOffset, id);
    return message;
  }

  /** What consumers saw, by `master/topic-queue`. */
  everythingSeen(): ReadonlyMap<string, ReadonlyMap<number, number>> {
    return this.seen;
  }

  count(what: string): void {
    this.answers.set(what, (this.answers.get(what) ?? 0) + 1);
  }
}

export function masterOf(role: Role): Master {
  return MASTERS.find((master) => role === master || role === SLAVE_OF[master])!;
}

/** The id and a dot, again and again: the whole body says whose it is. */
export function bodyOf({ id, bodyBytes }: Pick<Sent, 'id' | 'bodyBytes'>): Buffer {
  return Buffer.alloc(bodyBytes, `${id}.`);
}

export function textOf(message: Sent): string {
  const { id, master, topic, queueId, queueOffset, physicalOffset, fate, bodyBytes } = message;
  return `message ${id} (${fate}, ${bodyBytes} bytes, for ${master}, ${queueKey(topic, queueId)} ${queueOffset}, at ${physicalOffset})`;
}
