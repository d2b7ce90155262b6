/** A queue host whose disk refuses, see disk-trouble.ts, and one whose queues nobody uses. The broker and the front are recorders. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadBrokerConfig } from '../../../config/load.js';
import { brokerMessages } from '../../../src/actors/broker/messages.js';
import { frontMessages } from '../../../src/actors/front/messages.js';
import type { HostState } from '../../../src/actors/queue/host-state.js';
import { queueKey, queueMessages } from '../../../src/actors/queue/messages.js';
import { queueHostActor } from '../../../src/actors/queue/queue-host.js';
import { findQueueByBytes } from '../../../src/actors/queue/queues.js';
import { MIB } from '../../../src/base/units.js';
import { prng } from '../../../src/base/prng.js';
import { fnv1a } from '../../../src/remoting/request-scan.js';
import type { Kind } from '../../../src/runtime/message.js';
import { MemoryDisk } from '../../../src/runtime/simulation/memory-disk.js';
import { Meter, SLAB_BYTES } from '../../../src/runtime/slab.js';
import { type CoreEvents, ThreadCore } from '../../../src/runtime/thread-core.js';
import { ENTRY, writeEntry } from '../../../src/store/consume-queue-entry.js';
import { recorder, type Told } from '../broker/driver.js';

const [FRONT, BROKER, HOST] = [0, 1, 2] as const;
const TOPIC = Buffer.from('orders');
const RECORD_BYTES = 100;
/** A second of the timers that write behind. */
const INTERVAL_MS = 1_000;

class Fixture {
  readonly broker: Told[] = [];
  private nowMs = 1_000;
  private readonly clock = { now: () => this.nowMs, monotonic: () => this.nowMs, localHour: () => 0 };
  readonly disk = new MemoryDisk({ clock: this.clock, schedule: (_, action) => this.synced.push(action) });
  private readonly synced: (() => void)[] = [];
  private readonly core: ThreadCore;

  constructor() {
    const directory = {
      threads: [{ name: 'thread', kind: 'blocking' as const }],
      units: [{ name: 'front' }, { name: 'broker-a' }],
      actors: [
        { name: 'front', thread: 0, unit: 0 },
        { name: 'broker-a', thread: 0, unit: 1 },
        { name: 'broker-a.queues-0', thread: 0, unit: 1 },
      ],
    };
    const events: CoreEvents = {
      crashed: (_actor, during, error) => {
        throw new Error(`the queue host crashed during ${during}`, { cause: error });
      },
      ready: () => {},
      reported: () => {},
      log: () => {},
      ring: () => {},
    };
    const meter = new Meter(new SharedArrayBuffer(SLAB_BYTES));
    const services = { disk: this.disk, network: undefined, meter };
    const loaded = loadBrokerConfig('', 'broker.properties', {
      fallbacks: {
        brokerClusterName: 'C',
        brokerName: 'broker-a',
        brokerIP1: '127.0.0.1',
        brokerIP2: '127.0.0.1',
        storePathRootDir: '/store',
        storePathCommitLog: '/store/commitlog',
        flushIntervalConsumeQueue: INTERVAL_MS,
      },
    });
    assert.ok(loaded.ok);
    this.core = new ThreadCore(0, directory, this.clock, prng(1), services, events, [], []);
    this.core.start(FRONT, recorder(frontMessages), []);
    this.core.start(BROKER, recorder(brokerMessages), this.broker);
    this.core.start(HOST, queueHostActor, {
      settings: loaded.value.settings,
      host: 0,
      front: FRONT,
      broker: BROKER,
      unit: 'broker-a',
      window: undefined,
      physicalMemoryBytes: 1024 * MIB,
    });
    this.settle();
  }

  get state(): HostState {
    return this.core.stateOf(HOST) as HostState;
  }

  /** Entries of messages that lie one behind the other; message n of the log is at 100 n. */
  dispatch(firstMessage: number, count: number, firstQueueOffset: number): void {
    const bytes = Buffer.alloc(1 + TOPIC.length + count * ENTRY.bytes);
    bytes[0] = TOPIC.length;
    bytes.set(TOPIC, 1);
    for (let n = 0; n < count; n++) {
      writeEntry(bytes, 1 + TOPIC.length + n * ENTRY.bytes, (firstMessage + n) * RECORD_BYTES, RECORD_BYTES, 0);
    }
    const key = queueKey(fnv1a(TOPIC, 0, TOPIC.length), 0);
    const fields = { queueId: 0, firstQueueOffset, count };
    const place = this.core.begin(BROKER, HOST, queueMessages.dispatch, fields, key, bytes.length);
    place.buffer.set(bytes, place.at);
    this.core.end(bytes.length);
    this.settle();
  }

  tell(kind: keyof typeof queueMessages, fields: Readonly<Record<string, unknown>>): void {
    this.core.send(BROKER, HOST, queueMessages[kind] as Kind, fields as never, 0);
    this.settle();
  }

  take(kind: string): Told[] {
    const found = this.broker.filter((one) => one.kind === kind);
    for (const one of found) this.broker.splice(this.broker.indexOf(one), 1);
    return found;
  }

  /** Queue offsets behind the last entry, and of the first. */
  range(): readonly [number, number] {
    const key = queueKey(fnv1a(TOPIC, 0, TOPIC.length), 0);
    const { entries } = findQueueByBytes(this.state, key, TOPIC, 0, TOPIC.length, 0);
    return [entries.minOffset, entries.maxOffset];
  }

  advance(ms: number): void {
    this.nowMs += ms;
    this.settle();
  }

  private settle(): void {
    do {
      while (this.core.turn());
    } while (this.synced.splice(0).map((action) => action()).length > 0);
  }
}

/** So many entries that they do not fit into a buffer, and a file has to be made for them. */
const MANY = 3_000;
const trouble = suite('queue host: its disk refuses');

trouble('entries that cannot be taken stall it; it drops what comes and goes on where the broker resumes', () => {
  const host = new Fixture();
  host.disk.inject({ operation: 'create', pathPart: '/consumequeue', code: 'ENOSPC', times: Number.POSITIVE_INFINITY });
  host.dispatch(0, MANY, 0);
  const [stalled] = host.take('stalled');
  const { stall, from, error } = stalled!.value as { stall: number; from: number; error: { code: string } };
  assert.equal([stall, from, error.code], [1, 0, 'ENOSPC']);
  host.dispatch(MANY, 10, MANY);
  host.tell('flush', {});
  assert.equal(host.take('queuesFlushed')[0]!.fields, { host: 0, isSynced: false });
  host.disk.clearFaults();
  host.tell('resume', { stall: 7, from: 0 });
  host.dispatch(MANY, 10, MANY);
  assert.ok(host.range()[1] < MANY, 'of another stall');
  host.tell('resume', { stall: 1, from: 0 });
  host.dispatch(0, MANY + 10, 0);
  assert.equal(host.range(), [0, MANY + 10]);
  host.tell('flush', {});
  assert.equal(host.take('queuesFlushed')[0]!.fields, { host: 0, isSynced: true });
});

trouble('what it dropped before the broker knew is asked for again', () => {
  const host = new Fixture();
  host.disk.inject({ operation: 'create', pathPart: '/consumequeue', code: 'ENOSPC', times: 1 });
  host.dispatch(50, MANY, 0);
  host.take('stalled');
  host.dispatch(20, 1, 0);
  host.tell('resume', { stall: 1, from: 50 * RECORD_BYTES });
  const { stall, from } = host.take('stalled')[0]!.value as { stall: number; from: number };
  assert.equal([stall, from], [2, 20 * RECORD_BYTES]);
});

trouble('entries that were taken wait in memory for the disk, and it is said once and when it is over', () => {
  const host = new Fixture();
  host.disk.inject({ operation: 'create', pathPart: '/consumequeue', code: 'ENOSPC', times: Number.POSITIVE_INFINITY });
  host.dispatch(0, 5, 0);
  for (let n = 0; n < 3; n++) host.advance(INTERVAL_MS);
  assert.equal(host.range(), [0, 5]);
  const told = host.take('queueDisk');
  assert.is(told.length, 1);
  assert.is((told[0]!.value as { error: { code: string } }).error.code, 'ENOSPC');
  host.disk.clearFaults();
  host.advance(INTERVAL_MS);
  assert.is((host.take('queueDisk')[0]!.value as { error?: unknown }).error, undefined);
  assert.equal(host.take('stalled'), []);
});

trouble('a topic that was made again keeps its first entries, whichever of the two lanes is read first', () => {
  const host = new Fixture();
  host.dispatch(0, 5, 0);
  // Deleted when the log ended behind message 4, and made again; its new entries overtake the deletion.
  host.dispatch(5, 2, 0);
  host.tell('topicDeleted', { value: { topic: TOPIC.toString(), end: 5 * RECORD_BYTES } });
  assert.equal(host.range(), [0, 2]);
  host.tell('topicDeleted', { value: { topic: TOPIC.toString(), end: 7 * RECORD_BYTES } });
  assert.equal(host.range(), [0, 0]);
});

trouble.run();

const SWEEP_MS = 5_000;
const IDLE_MS = 60_000;
const idle = suite('queue host: a queue that nobody uses');

idle('gives its buffers and files back after a minute, and works again when it is used', () => {
  const host = new Fixture();
  host.dispatch(0, 10, 0);
  host.advance(INTERVAL_MS);
  const { awake, files } = host.state;
  assert.equal([awake.size, files.size], [1, 1]);
  host.advance(IDLE_MS - SWEEP_MS);
  assert.equal([awake.size, files.size], [1, 1], 'it may be used again');
  for (let ms = 0; ms <= 2 * SWEEP_MS; ms += SWEEP_MS) host.advance(SWEEP_MS);
  assert.equal([awake.size, files.size, files.writeBehind.keptBytes], [0, 0, 0]);
  host.dispatch(10, 10, 10);
  assert.equal(host.range(), [0, 20]);
  assert.equal(awake.size, 1);
  host.advance(INTERVAL_MS);
  // What syncs its files opens them.
  for (let ms = 0; ms <= IDLE_MS + 2 * SWEEP_MS; ms += SWEEP_MS) host.advance(SWEEP_MS);
  assert.equal([awake.size, files.size], [0, 0]);
  host.tell('flush', {});
  assert.equal(host.take('queuesFlushed')[0]!.fields, { host: 0, isSynced: true });
  for (let ms = 0; ms <= SWEEP_MS; ms += SWEEP_MS) host.advance(SWEEP_MS);
  assert.equal([awake.size, files.size, host.range()], [0, 0, [0, 20]]);
});

idle('stays awake when it cannot write out, and tries again', () => {
  const host = new Fixture();
  host.dispatch(0, 10, 0);
  host.disk.inject({ operation: 'create', pathPart: '/consumequeue', code: 'ENOSPC', times: Number.POSITIVE_INFINITY });
  for (let ms = 0; ms <= IDLE_MS + SWEEP_MS; ms += SWEEP_MS) host.advance(SWEEP_MS);
  assert.is(host.state.awake.size, 1);
  host.disk.clearFaults();
  for (let ms = 0; ms <= SWEEP_MS; ms += SWEEP_MS) host.advance(SWEEP_MS);
  assert.is(host.state.awake.size, 0);
  assert.equal(host.range(), [0, 10]);
});

idle.run();
