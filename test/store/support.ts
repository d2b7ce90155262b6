/** What the store's tests share: disks, and records as a producer would have them stored. */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { Clock } from '../../src/base/clock.js';
import type { Disk } from '../../src/base/disk.js';
import { prng } from '../../src/base/prng.js';
import { bodyCrc } from '../../src/message/crc.js';
import { encodeHost } from '../../src/message/host.js';
import { formatProperties } from '../../src/message/properties.js';
import { recordBytes, writePropertiesLength, writeRecordHead, writeTopicLength } from '../../src/message/record.js';
import { NodeDisk } from '../../src/runtime/node-disk.js';
import { MemoryDisk } from '../../src/runtime/simulation/memory-disk.js';
import type { CommitLog } from '../../src/store/commit-log.js';

export const START_MS = 1_700_000_000_000;

/** A simulated disk with its own virtual time; `advance` lets syncs complete. */
export interface SimulatedDisk {
  readonly disk: MemoryDisk;
  readonly clock: Clock;
  advance(ms: number): void;
}

export function simulatedDisk(
  options: { seed?: number; capacityBytes?: number; syncDelayMs?: number; usualSyncMs?: number } = {},
): SimulatedDisk {
  let now = START_MS;
  const due: { readonly at: number; readonly action: () => void }[] = [];
  const clock: Clock = { now: () => now, monotonic: () => now, localHour: () => 0 };
  const disk = new MemoryDisk({
    clock,
    schedule: (delayMs, action) => due.push({ at: now + delayMs, action }),
    syncDelayMs: () => options.syncDelayMs ?? 1,
    usualSyncMs: () => options.usualSyncMs ?? 100,
    ...(options.capacityBytes === undefined ? {} : { capacityBytes: options.capacityBytes }),
  });
  const advance = (ms: number): void => {
    now += ms;
    const ready = due.filter((one) => one.at <= now).sort((a, b) => a.at - b.at);
    for (const one of ready) due.splice(due.indexOf(one), 1);
    for (const one of ready) one.action();
  };
  return { disk, clock, advance };
}

export interface RealDisk {
  readonly disk: Disk;
  readonly root: string;
  dispose(): void;
}

export function realDisk(): RealDisk {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'hangar-store-'));
  const disk = new NodeDisk((fd, done) => fs.fdatasync(fd, (error) => done(error?.code)));
  return { disk, root, dispose: () => fs.rmSync(root, { recursive: true, force: true }) };
}

export interface TestMessage {
  readonly topic?: string;
  readonly queueId?: number;
  readonly queueOffset?: number;
  readonly flag?: number;
  readonly sysFlag?: number;
  readonly storeTimestamp?: number;
  readonly bornTimestamp?: number;
  readonly properties?: Iterable<readonly [string, string]>;
  readonly body?: Uint8Array | string;
}

/** sysFlag of the parts of a transaction. */
export const HALF = { none: 0, prepared: 4, commit: 8, rollback: 12 } as const;

export const BORN_HOST = encodeHost('127.0.0.1', 51_234)!;
export const STORE_HOST = encodeHost('127.0.0.1', 10_911)!;
export const HOST_V6 = encodeHost('2001:db8::1', 10_911)!;

export function sizeOf(message: TestMessage): number {
  return encodeRecord(message, 0).length;
}

/** The record as it is stored at `physicalOffset`. */
export function encodeRecord(message: TestMessage, physicalOffset: number): Buffer {
  const body = Buffer.from(message.body ?? 'hello');
  const topic = Buffer.from(message.topic ?? 'orders');
  const properties = Buffer.from(formatProperties(message.properties ?? []));
  const sysFlag = message.sysFlag ?? 0;
  const bytes = recordBytes(body.length, topic.length, properties.length, sysFlag);
  const record = Buffer.alloc(bytes);
  const view = new DataView(record.buffer, record.byteOffset, bytes);
  const bodyAt = writeRecordHead(
    view,
    record,
    0,
    bytes,
    bodyCrc(body, 0, body.length),
    message.queueId ?? 0,
    message.flag ?? 0,
    message.queueOffset ?? 0,
    physicalOffset,
    sysFlag,
    message.bornTimestamp ?? START_MS - 5,
    (sysFlag & 0x10) === 0 ? BORN_HOST : HOST_V6,
    message.storeTimestamp ?? START_MS,
    (sysFlag & 0x20) === 0 ? STORE_HOST : HOST_V6,
    0,
    0,
    body.length,
  );
  body.copy(record, bodyAt);
  const topicAt = writeTopicLength(view, bodyAt + body.length, topic.length);
  topic.copy(record, topicAt);
  const propertiesAt = writePropertiesLength(view, topicAt + topic.length, properties.length);
  properties.copy(record, propertiesAt);
  return record;
}

/** Appends a message to a master's log; its physical offset, or -1 when the log refuses. */
export function append(log: CommitLog, message: TestMessage): number {
  const bytes = sizeOf(message);
  const at = log.reserve(bytes);
  if (at < 0) return -1;
  const offset = log.endOffset;
  log.buffer.set(encodeRecord(message, offset), at);
  log.commit(bytes);
  return offset;
}

/** A body that tells itself: `bytes` pseudo-random bytes of that seed. */
export function bodyOf(seed: number, bytes: number): Buffer {
  const random = prng(seed);
  return Buffer.from(Uint8Array.from({ length: bytes }, () => random.below(256)));
}
