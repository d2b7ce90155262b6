/**
 * An HA actor on one thread with recorders in the places of front and broker; time, log and the other end of every
 * connection are the test's to decide.
 */
import { loadBrokerConfig } from '../../../config/load.js';
import type { BrokerSettings } from '../../../config/schema.js';
import { brokerMessages } from '../../../src/actors/broker/messages.js';
import { frontMessages } from '../../../src/actors/front/messages.js';
import { haActor } from '../../../src/actors/ha/ha.js';
import { haMessages } from '../../../src/actors/ha/messages.js';
import { prng } from '../../../src/base/prng.js';
import type { Directory } from '../../../src/runtime/directory.js';
import type { Kind, KindRow, Outgoing } from '../../../src/runtime/message.js';
import { MemoryDisk } from '../../../src/runtime/simulation/memory-disk.js';
import { Meter, SLAB_BYTES } from '../../../src/runtime/slab.js';
import { ThreadCore } from '../../../src/runtime/thread-core.js';
import { recorder, type Told } from '../broker/driver.js';

const ACTOR = { front: 0, broker: 1, ha: 2 } as const;
const LOG_DIRECTORY = '/store/commitlog';
export const FILE_BYTES = 4096;

const directory: Directory = {
  threads: [{ name: 'thread', kind: 'blocking' }],
  units: [{ name: 'front' }, { name: 'broker-a' }],
  actors: [
    { name: 'front', thread: 0, unit: 0 },
    { name: 'broker-a', thread: 0, unit: 1 },
    { name: 'broker-a.ha', thread: 0, unit: 1 },
  ],
};

/** What lies at each offset of the master's log. */
export const byteAt = (offset: number): number => (offset * 31 + (offset >> 8)) & 0xff;

export function logBytes(from: number, to: number): Buffer {
  return Buffer.from(Array.from({ length: to - from }, (_, i) => byteAt(from + i)));
}

export class HaDriver {
  readonly front: Told[] = [];
  readonly broker: Told[] = [];
  /** `level text fields` of every line. */
  readonly logged: string[] = [];
  isReady = false;
  private timeMs = 1_000_000;
  private readonly clock = { now: () => this.timeMs, monotonic: () => this.timeMs, localHour: () => 0 };
  private readonly disk = new MemoryDisk({ clock: this.clock, schedule: (_delayMs, action) => action() });
  private readonly core: ThreadCore;

  constructor(lines: readonly string[] = [], waitsForMaster = false) {
    const services = { disk: this.disk, network: undefined, meter: new Meter(new SharedArrayBuffer(SLAB_BYTES)) };
    this.core = new ThreadCore(
      0,
      directory,
      this.clock,
      prng(1),
      services,
      {
        crashed: (_actor, during, error) => {
          throw new Error(`crashed during ${during}`, { cause: error });
        },
        ready: (id) => {
          if (id === ACTOR.ha) this.isReady = true;
        },
        reported: () => undefined,
        log: (level, _actor, text, fields) => this.logged.push(`${level} ${text} ${JSON.stringify(fields)}`),
        ring: () => undefined,
      },
      [],
      [],
    );
    this.core.start(ACTOR.front, recorder(frontMessages), this.front);
    this.core.start(ACTOR.broker, recorder(brokerMessages), this.broker);
    this.core.start(ACTOR.ha, haActor, {
      role: 'broker-a',
      settings: settingsOf(lines),
      front: ACTOR.front,
      broker: ACTOR.broker,
      window: undefined,
      waitsForMaster,
    });
    this.settle();
  }

  private settle(): void {
    while (this.core.turn()) {}
  }

  private say<R extends KindRow>(from: number, kind: Kind<R>, message: Outgoing<R>, bytes?: Uint8Array): void {
    if (bytes === undefined) this.core.send(from, ACTOR.ha, kind, message, 0);
    else {
      const place = this.core.begin(from, ACTOR.ha, kind, message, 0, bytes.length);
      place.buffer.set(bytes, place.at);
      this.core.end(bytes.length);
    }
    this.settle();
  }

  frontSays<R extends KindRow>(kind: Kind<R>, message: Outgoing<R>, bytes?: Uint8Array): void {
    this.say(ACTOR.front, kind, message, bytes);
  }

  brokerSays<R extends KindRow>(kind: Kind<R>, message: Outgoing<R>, bytes?: Uint8Array): void {
    this.say(ACTOR.broker, kind, message, bytes);
  }

  /** Bytes come in by a connection. */
  bytes(connection: number, bytes: Uint8Array): void {
    this.frontSays(haMessages.bytes, { connection }, bytes);
  }

  closed(connection: number): void {
    this.frontSays(haMessages.closed, { connection });
  }

  /** The master's log is [min, end) from now on, with files that have `byteAt`. */
  log(min: number, end: number): void {
    this.disk.makeDirectory('/store');
    this.disk.makeDirectory(LOG_DIRECTORY);
    for (let start = min - (min % FILE_BYTES); start < end; start += FILE_BYTES) {
      const file = this.disk.open(`${LOG_DIRECTORY}/${String(start).padStart(20, '0')}`, { create: true });
      const content = logBytes(start, Math.min(end, start + FILE_BYTES));
      file.write(content, 0, content.length, 0);
      file.close();
    }
    for (const name of this.disk.list(LOG_DIRECTORY)) {
      if (Number(name) + FILE_BYTES <= min) this.disk.remove(`${LOG_DIRECTORY}/${name}`);
    }
    this.brokerSays(haMessages.logWritten, { minOffset: min, end });
  }

  /** What was written to a connection since the last call. */
  takeWritten(connection: number): Buffer {
    return Buffer.concat(take(this.front, 'write', connection).map(({ bytes }) => bytes));
  }

  /** How often the connection was told to be closed since the last call. */
  takeCloses(connection: number): number {
    return take(this.front, 'close', connection).length;
  }

  takeDials(): { token: number; address: string }[] {
    return take(this.front, 'dial').map(({ fields, value }) => {
      const { host, port } = value as { host: string; port: number };
      return { token: fields.token as number, address: `${host}:${port}` };
    });
  }

  /** What the broker was told of one kind since the last call. */
  takeTold(kind: string): Told[] {
    return take(this.broker, kind);
  }

  advance(ms: number): void {
    const end = this.timeMs + ms;
    for (let due = this.core.timers.nextDueMs(); due !== undefined && due <= end; due = this.core.timers.nextDueMs()) {
      this.timeMs = Math.max(this.timeMs, due);
      this.settle();
    }
    this.timeMs = end;
    this.settle();
  }
}

function take(from: Told[], kind: string, connection?: number): Told[] {
  const found = from.filter(
    (one) => one.kind === kind && (connection === undefined || one.fields.connection === connection),
  );
  for (const one of found) from.splice(from.indexOf(one), 1);
  return found;
}

function settingsOf(lines: readonly string[]): BrokerSettings {
  const loaded = loadBrokerConfig(lines.join('\n'), 'test', {
    fallbacks: {
      brokerClusterName: 'C',
      brokerName: 'broker-a',
      brokerIP1: '127.0.0.1',
      brokerIP2: '127.0.0.1',
      namesrvAddr: '127.0.0.1:9876',
      storePathRootDir: '/store',
      storePathCommitLog: LOG_DIRECTORY,
      mappedFileSizeCommitLog: FILE_BYTES,
      maxMessageSize: 1024,
    },
  });
  if (!loaded.ok) throw new Error(loaded.errors.map(({ text }) => text).join());
  return loaded.value.settings;
}

export function int64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}

export interface Frame {
  readonly offset: number;
  readonly body: Buffer;
}

/** Splits what a master has sent into its whole frames. */
export function framesOf(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  for (let at = 0; at + 12 <= bytes.length; ) {
    const length = bytes.readInt32BE(at + 8);
    if (at + 12 + length > bytes.length) break;
    frames.push({ offset: Number(bytes.readBigInt64BE(at)), body: bytes.subarray(at + 12, at + 12 + length) });
    at += 12 + length;
  }
  return frames;
}

export function frameOf(offset: number | bigint, body: Uint8Array, bodyBytes = body.length): Buffer {
  const head = Buffer.alloc(12);
  head.writeBigInt64BE(BigInt(offset));
  head.writeInt32BE(bodyBytes, 8);
  return Buffer.concat([head, body]);
}
