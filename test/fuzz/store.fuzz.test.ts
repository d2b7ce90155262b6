/**
 * Strategy: stores of a broker that was stopped or killed are damaged at random: bits flipped, ranges zeroed, files cut
 * off, prolonged, removed, exchanged, renamed, joined by strangers. Then `store check` looks at them and a broker starts
 * on them, serves for some minutes, and starts again.
 *
 * Invariants: nothing throws but what tells the operator of it (StoreError, StartError, DiskError); nothing takes long;
 * where the commit log was left alone, every message of it is still there.
 *
 * FUZZ_SECONDS sets how long (default 3), SEED replays a run: it is printed first.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DiskError } from '../../src/base/disk.js';
import { type Prng, prng } from '../../src/base/prng.js';
import { StartError } from '../../src/base/start-error.js';
import { RequestCode } from '../../src/remoting/request-codes.js';
import type { MemoryDisk } from '../../src/runtime/simulation/memory-disk.js';
import { checkStore } from '../../src/store/check/check-store.js';
import { StoreError } from '../../src/store/log-files.js';
import { BrokerDriver } from '../actors/broker/driver.js';
import { javaHeartbeat } from '../actors/broker/heartbeats.js';
import { logRecords, propertiesText } from '../actors/broker/log-records.js';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000_000);
const FUZZ_MS = Number(process.env.FUZZ_SECONDS ?? 3) * 1000;
const SLOWEST_MS = 20_000;
const ROOT = '/store';
const SETTINGS = [
  'mappedFileSizeCommitLog=65536',
  'mappedFileSizeConsumeQueue=400',
  'maxMessageSize=40000',
  'messageIndexEnable=true',
  'maxHashSlotNum=16',
  'maxIndexNum=64',
].join('\n');

type Store = ReadonlyMap<string, Buffer>;

function filesBelow(disk: MemoryDisk, directory: string): string[] {
  return disk.list(directory).flatMap((name) => {
    const path = `${directory}/${name}`;
    return disk.stat(path)?.isDirectory === true ? filesBelow(disk, path) : [path];
  });
}

function serve(broker: BrokerDriver, messages: number): void {
  const client = broker.open();
  const heartbeat = javaHeartbeat({ clientId: 'c', consumers: ['G'], producers: ['P'] });
  broker.send(client, RequestCode.HEART_BEAT, {}, { body: heartbeat });
  for (let n = 0; n < messages; n++) {
    const i = propertiesText({
      UNIQ_KEY: `K${n}`,
      TAGS: 'a',
      ...(n % 7 === 0 ? { DELAY: '1' } : n % 11 === 0 ? { TRAN_MSG: 'true', PGROUP: 'P' } : {}),
    });
    const ext = { a: 'P', b: `T${n % 3}`, c: 'TBW102', d: '4', e: `${n % 4}`, f: '0', g: `${broker.nowMs}`, h: '0', i };
    broker.send(client, RequestCode.SEND_MESSAGE_V2, ext, { body: 'x'.repeat((n * 97) % 3_000) });
    broker.advance(100);
  }
  const queue = { consumerGroup: 'G', topic: 'T1', queueId: '1' };
  broker.send(client, RequestCode.UPDATE_CONSUMER_OFFSET, { ...queue, commitOffset: '3' });
  broker.advance(20_000);
  broker.take(client);
}

/** Everything that a client or a timer may touch. */
function touchAll(broker: BrokerDriver): void {
  const client = broker.open();
  for (let n = 0; n < 12; n++) {
    const [topic, queueId] = [`T${n % 3}`, `${n % 4}`];
    for (const queueOffset of ['0', '5', '1000000']) {
      const pull = { consumerGroup: 'G', topic, queueId, queueOffset, maxMsgNums: '32', sysFlag: '4' };
      const rest = { commitOffset: '0', suspendTimeoutMillis: '0', subscription: '*', subVersion: '0' };
      broker.postPull(client, { ...pull, ...rest });
    }
    broker.settle();
    broker.send(client, RequestCode.GET_TOPIC_STATS_INFO, { topic });
    const query = { topic, key: `K${n}`, maxNum: '32', beginTimestamp: '0', endTimestamp: `${2 ** 52}` };
    broker.send(client, RequestCode.QUERY_MESSAGE, query);
    const reset = { topic, group: 'G', timestamp: `${broker.nowMs - n * 1000}`, isForce: 'true' };
    broker.send(client, RequestCode.INVOKE_BROKER_TO_RESET_OFFSET, reset);
  }
  broker.send(client, RequestCode.CLEAN_EXPIRED_CONSUMEQUEUE);
  broker.send(client, RequestCode.CLEAN_UNUSED_TOPIC);
  serve(broker, 20);
  broker.advance(130_000);
}

/** One store that was closed in order, one whose process was killed. */
function stores(): Store[] {
  return [true, false].map((isClean) => {
    const broker = new BrokerDriver({ hasQueueHosts: true, settings: SETTINGS }).start();
    serve(broker, 150);
    if (isClean) broker.stop();
    else broker.kill();
    return new Map(filesBelow(broker.disk, ROOT).map((path) => [path, Buffer.from(broker.disk.readFile(path)!)]));
  });
}

const STRANGERS = ['-1', '00000000000000000001', '99999999999999999999', 'x', '4294967296', '00000000000000065536.tmp'];

/** Damages the store in place; what was done. */
function damage(random: Prng, store: Map<string, Buffer>): string[] {
  const done: string[] = [];
  for (let times = 1 + random.below(3); times > 0; times--) {
    const path = random.pick([...store.keys()]);
    const content = store.get(path)!;
    const at = random.below(content.length + 1);
    const length = Math.min(content.length - at, 1 + random.below(random.pick([4, 64, 8192])));
    const kind = random.pick([
      'flip',
      'zero',
      'noise',
      'cut',
      'grow',
      'remove',
      'exchange',
      'rename',
      'stranger',
      'empty',
    ]);
    done.push(`${kind} ${path} ${at} ${length}`);
    switch (kind) {
      case 'flip':
        if (length > 0) content[at]! ^= 1 << random.below(8);
        break;
      case 'zero':
        content.fill(0, at, at + length);
        break;
      case 'noise':
        for (let i = at; i < at + length; i++) content[i] = random.below(256);
        break;
      case 'cut':
        store.set(path, content.subarray(0, at));
        break;
      case 'grow':
        store.set(path, Buffer.concat([content, Buffer.alloc(1 + random.below(500), random.below(256))]));
        break;
      case 'empty':
        store.set(path, Buffer.alloc(0));
        break;
      case 'remove':
        store.delete(path);
        break;
      case 'exchange': {
        const other = random.pick([...store.keys()]);
        store.set(path, store.get(other)!);
        store.set(other, content);
        break;
      }
      case 'rename':
        store.delete(path);
        store.set(`${path.slice(0, path.lastIndexOf('/'))}/${random.pick(STRANGERS)}`, content);
        break;
      case 'stranger':
        store.set(`${path.slice(0, path.lastIndexOf('/'))}/${random.pick(STRANGERS)}`, Buffer.from(content));
    }
  }
  return done;
}

function write(disk: MemoryDisk, store: Store): void {
  for (const [path, content] of store) {
    disk.makeDirectory(path.slice(0, path.lastIndexOf('/')));
    disk.writeFile(path, content);
  }
}

function isTold(error: unknown): boolean {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof StoreError || cause instanceof StartError || cause instanceof DiskError;
}

/** False when it refused with a reason. */
function attempt(run: () => void): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if (isTold(error)) return false;
    throw error;
  }
}

const fuzz = suite('fuzz: damaged stores');

fuzz('check, start, serve, start again', () => {
  console.log(`SEED=${SEED} (damaged stores)`);
  const originals = stores();
  const end = performance.now() + FUZZ_MS;
  let runs = 0;
  let started = 0;
  for (let seed = SEED; performance.now() < end; seed++, runs++) {
    const random = prng(seed);
    const original = random.pick(originals);
    const store = new Map([...original].map(([path, content]) => [path, Buffer.from(content)]));
    const done = damage(random, store);
    const begin = performance.now();
    try {
      const broker = new BrokerDriver({
        hasQueueHosts: true,
        settings: `${SETTINGS}\ndamagedLogAction=${random.pick(['refuse', 'cut'])}`,
      });
      write(broker.disk, store);
      const options = { root: ROOT, delayLevelsMs: [1000] };
      attempt(() => checkStore(broker.disk, options, { onFinding: () => undefined, onProgress: () => undefined }));
      if (attempt(() => broker.start())) {
        started++;
        const isLogWhole = [...original].every(
          ([path, content]) => !path.includes('/commitlog/') || store.get(path)?.equals(content) === true,
        );
        const strangers = [...store.keys()].some((path) => path.includes('/commitlog/') && !original.has(path));
        if (isLogWhole && !strangers) assert.ok(logRecords(broker).length >= 150, 'the whole log is there');
        touchAll(broker);
        if (random.below(2) === 0) broker.stop();
        else broker.kill();
        // A start after a crash looks at more of the log.
        if (attempt(() => broker.restart())) touchAll(broker);
      }
    } catch (error) {
      for (let at: unknown = error; at instanceof Error; at = at.cause) console.log(at.stack);
      throw new Error(`SEED=${seed}: ${done.join('; ')}`, { cause: error });
    }
    assert.ok(
      performance.now() - begin < SLOWEST_MS,
      `SEED=${seed} took ${performance.now() - begin} ms: ${done.join('; ')}`,
    );
  }
  console.log(`${runs} damaged stores, ${started} of them served`);
});

fuzz.run();
