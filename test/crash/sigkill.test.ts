/**
 * Strategy: a real `hangar up` on a real file system, with files so small that they roll all the time, is killed with
 * SIGKILL at a random moment, over and over: in mid-traffic of several connections, right after it is ready, and while it
 * starts and recovers. Each time it comes back, everything is read with pulls.
 *
 * Invariants: every acknowledged message is there exactly once, at the queue offset of its answer, on the slave as well
 * where there is one; the offsets of every queue are 0, 1, 2, ...; what one lane sent one after the other is in that order;
 * a committed consumer offset does not go back by more than what was committed in the last flushConsumerOffsetInterval.
 *
 * The moments are drawn from SEED, but a real machine does not replay. RUNS=n: n rounds of each kind.
 */
import { join } from 'node:path';
import { readdirSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Prng, prng } from '../../src/base/prng.js';
import {
  type ConfigValues,
  configDirectory,
  masterValues,
  oneBroker,
  slaveValues,
  startHangar,
  stopBy,
  temporaryDirectory,
  up,
} from '../support/hangar-process.js';
import { type PulledMessage, readQueue, RemotingClient, withClient } from '../support/remoting-client.js';
import { seedOf } from '../support/seed.js';
import { Traffic } from '../support/traffic.js';

const TOPIC = 'CrashTest';
const GROUP = 'crash-test-group';
const QUEUES = 4;
const UPDATE_CONSUMER_OFFSET = 15;
const QUERY_CONSUMER_OFFSET = 14;
/** Between two writes of consumerOffset.json, and what a write may take on a busy machine. */
const OFFSETS_MS = 300;
const OFFSETS_SLACK_MS = 3_000;
/** A process that starts is killed within this time: it needs about half a second to be ready. */
const START_KILL_MS = 900;

const SMALL_FILES: ConfigValues = {
  mappedFileSizeCommitLog: 32 * 1024,
  mappedFileSizeConsumeQueue: 1_000,
  maxMessageSize: 8_192,
  flushConsumerOffsetInterval: OFFSETS_MS,
};

function pair(): string {
  return configDirectory({
    'namesrv-a': { listenPort: 9876 },
    'broker-a': masterValues('broker-a', 10911, { ...SMALL_FILES, brokerRole: 'SYNC_MASTER' }),
    'broker-a-s': slaveValues('broker-a', 11011, SMALL_FILES),
  });
}

interface Kind {
  readonly name: string;
  readonly rounds: number;
  readonly config: () => string;
}

const KINDS: readonly Kind[] = [
  { name: 'one master, ASYNC_FLUSH', rounds: 5, config: () => oneBroker(SMALL_FILES) },
  {
    name: 'one master, SYNC_FLUSH',
    rounds: 4,
    config: () => oneBroker({ ...SMALL_FILES, flushDiskType: 'SYNC_FLUSH' }),
  },
  { name: 'a pair, SYNC_MASTER', rounds: 3, config: pair },
];

/** What a consumer committed, and when. */
interface Commit {
  readonly offset: number;
  readonly atMs: number;
}

class Rounds {
  private readonly random: Prng;
  private readonly args: readonly string[];
  private readonly store = temporaryDirectory();
  private readonly traffics: Traffic[] = [];
  private commits: Commit[] = [];
  private committed = 0;
  private endedMs = 0;

  constructor(kind: Kind, seed: number) {
    this.random = prng(seed);
    this.args = ['--config', kind.config(), '--ephemeral', '--store', this.store];
  }

  /** Starts, looks at everything, sends, and kills. */
  async round(): Promise<void> {
    const { random } = this;
    for (let kills = random.below(3); kills > 0; kills--) await this.killAtStart();
    const { child, addresses } = await up(...this.args);
    try {
      const address = addresses.get('broker-a')!;
      await this.check(address);
      const name = `${this.traffics.length}-`;
      const traffic = await Traffic.start(address, { topic: TOPIC, queues: QUEUES, connections: 3, inFlight: 8, name });
      this.traffics.push(traffic);
      // Now and then right after it has become ready.
      if (random.chance(0.75) || this.committed === 0) {
        await traffic.more(1);
        await this.commitFor(address, random.unit() * 700);
      }
      this.endedMs = performance.now();
      await child.kill();
      await traffic.broken();
      // 11: the slave has not come back to its master yet.
      for (const code of traffic.codes.keys()) assert.ok([0, 11].includes(code), `answered ${code}`);
    } finally {
      await child.kill();
    }
  }

  /** Recovery is ended where it happens to be. */
  private async killAtStart(): Promise<void> {
    const child = startHangar(['up', ...this.args]);
    const timer = setTimeout(() => child.signal('SIGKILL'), this.random.unit() * START_KILL_MS);
    await child.exited;
    clearTimeout(timer);
    assert.is(child.stderr.includes('StartError'), false, child.stderr);
  }

  /** Commits higher and higher offsets. */
  private async commitFor(address: string, ms: number): Promise<void> {
    const untilMs = performance.now() + ms;
    await withClient(address, async (client) => {
      do {
        const offset = (this.commits.at(-1)?.offset ?? 0) + 1;
        const fields = { consumerGroup: GROUP, topic: TOPIC, queueId: 0, commitOffset: offset };
        const { code } = await client.call(UPDATE_CONSUMER_OFFSET, fields);
        assert.is(code, 0);
        this.commits.push({ offset, atMs: performance.now() });
        this.committed++;
      } while (performance.now() < untilMs);
    });
  }

  async finish(): Promise<void> {
    const { child, addresses } = await up(...this.args);
    try {
      // A slave is ready when it has everything that its master had.
      for (const role of [...addresses.keys()].filter((one) => one.startsWith('broker-a'))) {
        await this.check(addresses.get(role)!, role === 'broker-a');
      }
      const files = readdirSync(join(this.store, 'broker-a', 'commitlog'));
      assert.ok(files.length > 2, `files have rolled over: ${files}`);
      assert.ok(this.committed > 0, 'offsets were committed');
      assert.is(await stopBy(child, 'SIGTERM'), 0);
    } finally {
      await child.kill();
    }
  }

  get acknowledged(): number {
    return this.traffics.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0);
  }

  private async check(address: string, isMaster = true): Promise<void> {
    if (this.acknowledged === 0) return;
    const client = await RemotingClient.connect(address);
    try {
      const queues: PulledMessage[][] = [];
      for (let queueId = 0; queueId < QUEUES; queueId++) queues.push(await readQueue(client, TOPIC, queueId));
      this.checkMessages(queues);
      if (isMaster) await this.checkOffset(client);
    } finally {
      client.close();
    }
  }

  private checkMessages(queues: readonly (readonly PulledMessage[])[]): void {
    const places = new Map<string, string>();
    for (const [queueId, messages] of queues.entries()) {
      for (const [index, { queueOffset, body }] of messages.entries()) {
        if (queueOffset !== index) assert.is(queueOffset, index, `gap in queue ${queueId}`);
        const text = body.toString();
        assert.not.ok(places.has(text), `${text} is at ${places.get(text)} and at ${queueId} ${queueOffset}`);
        places.set(text, `${queueId} ${queueOffset}`);
      }
    }
    for (const { acknowledged } of this.traffics) {
      const last = new Map<string, number>();
      for (const { body, queueId, queueOffset } of acknowledged) {
        const place = places.get(body);
        if (place !== `${queueId} ${queueOffset}`) assert.is(place, `${queueId} ${queueOffset}`, body);
        // "round-connection-lane-n": one at a time, so in this order in each queue.
        const lane = `${body.slice(0, body.lastIndexOf('-'))} ${queueId}`;
        assert.ok(queueOffset > (last.get(lane) ?? -1), `${body} has overtaken what was sent before it`);
        last.set(lane, queueOffset);
      }
    }
  }

  private async checkOffset(client: RemotingClient): Promise<void> {
    const fields = { consumerGroup: GROUP, topic: TOPIC, queueId: 0 };
    const answer = await client.call(QUERY_CONSUMER_OFFSET, fields);
    const found = Number(answer.fields.offset ?? 0);
    const sinceMs = this.endedMs - OFFSETS_MS - OFFSETS_SLACK_MS;
    const durable = this.commits.filter(({ atMs }) => atMs < sinceMs).at(-1)?.offset ?? 0;
    assert.ok(found >= durable, `the offset went back to ${found}, ${durable} was committed long before`);
    // A consumer goes on from there.
    this.commits = this.commits.filter(({ offset }) => offset <= found);
  }
}

const killed = suite('SIGKILL at any moment');

for (const kind of KINDS) {
  const rounds = Number(process.env.RUNS ?? kind.rounds);
  killed(`${kind.name}: ${rounds} times`, async () => {
    const all = new Rounds(kind, seedOf(`SIGKILL, ${kind.name}`));
    for (let round = 0; round < rounds; round++) await all.round();
    await all.finish();
    console.log(`${kind.name}: ${all.acknowledged} acknowledged messages were there`);
  });
}

killed.run();
