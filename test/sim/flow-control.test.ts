/** A real backlog is refused, in the words that clients know; what waited because the process stood still is served. */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { packageDirectory } from '../../config/read-file.js';
import { KIB, MIB } from '../../src/base/units.js';
import { Simulation } from '../../src/runtime/simulation/simulation.js';
import { makeDurableDirectory } from '../../src/store/directories.js';
import { type Answer, type Fields, pullFields, sendFields } from '../support/remoting-client.js';
import { withSeeds } from '../support/seed.js';
import { type Shape, SimCluster } from './sim-cluster.js';
import { WireClient } from './wire-client.js';

const RUNS = Number(process.env.RUNS ?? 2);
const TOPIC = 'Flow';
const SEND = 310;
const PULL = 11;
const UPDATE_CONFIG = 25;
/** More than a turn takes from a ring. */
const REQUESTS = 3_000;
const LIMIT_MS = 60_000;
const REFUSED =
  /^\[TIMEOUT_CLEAN_QUEUE\]broker busy, start flow control for a while, period in queue: \d+ms, size of queue: \d+$/;

const shape: Shape = {
  workers: 1,
  logFileBytes: 256 * KIB,
  queueFileBytes: 20_000,
  windowBytes: MIB,
  flush: 'ASYNC_FLUSH',
  replication: 'ASYNC_MASTER',
  ringSizes: [4 * MIB],
};

interface World {
  readonly simulation: Simulation;
  readonly cluster: SimCluster;
  readonly client: WireClient;
}

async function open(seed: number): Promise<World> {
  const simulation = new Simulation(seed);
  const cluster = await SimCluster.create(simulation, shape);
  // Where a changed setting is saved.
  makeDurableDirectory(cluster.process.disk, join(packageDirectory(), 'config', '2m-2s-sync'));
  await cluster.start();
  const { listenPort } = cluster.settingsOf('broker-a');
  const client = await new Promise<WireClient>((done) => {
    const dialed: WireClient = new WireClient(simulation, listenPort, '10.1.0.1', () => done(dialed));
    simulation.runFor(1_000);
  });
  return { simulation, cluster, client };
}

/** The answers to all of these, in the order of the requests; the broker's threads stand still for `stillMs` meanwhile. */
async function answers(world: World, requests: readonly Request[], stillMs = 0): Promise<Answer[]> {
  const { simulation, cluster, client } = world;
  const got: (Answer | undefined)[] = [];
  let open = requests.length;
  for (const { name, kind } of cluster.plan.directory.threads) {
    if (stillMs > 0 && kind === 'blocking') cluster.process.pause(name, stillMs);
  }
  for (const [i, { code, fields, body }] of requests.entries()) {
    client.call(code, fields, body, (answer) => {
      got[i] = answer;
      open--;
    });
  }
  await simulation.runUntil('all are answered', () => open === 0, LIMIT_MS);
  return got.map((answer) => answer!);
}

interface Request {
  readonly code: number;
  readonly fields: Fields;
  readonly body?: Buffer;
}

const send: Request = { code: SEND, fields: sendFields(TOPIC, 0), body: Buffer.from('x') };
const pull: Request = { code: PULL, fields: pullFields(TOPIC, 0, 0) };

const count = (given: readonly Answer[], code: number): number => given.filter((one) => one.code === code).length;

async function live(seed: number): Promise<void> {
  const world = await open(seed);
  const { simulation, cluster } = world;
  // As Apache's brokers have it; the packaged topologies do not.
  const on = Buffer.from('brokerFastFailureEnable=true\n');
  assert.is((await answers(world, [{ code: UPDATE_CONFIG, fields: {}, body: on }]))[0]!.code, 0);
  assert.is((await answers(world, [send]))[0]!.code, 0);
  await simulation.runFor(1_000);

  const many = (one: Request): Request[] => new Array<Request>(REQUESTS).fill(one);
  const served = await answers(world, many(send), 20_000);
  assert.is(count(served, 0), REQUESTS, `after a standstill: ${served.find(({ code }) => code !== 0)?.remark}`);
  const pulled = await answers(world, many(pull), 20_000);
  assert.is(count(pulled, 2), 0, 'pulls after a standstill');

  const impatient = Buffer.from('waitTimeMillsInSendQueue=0\nwaitTimeMillsInPullQueue=0\n');
  const [updated] = await answers(world, [{ code: UPDATE_CONFIG, fields: {}, body: impatient }]);
  assert.equal([updated!.code, updated!.remark], [0, '']);
  const sends = await answers(world, many(send), 20_000);
  const refused = sends.filter(({ code }) => code === 2);
  assert.ok(refused.length > 0 && count(sends, 0) >= 1_000, `${refused.length} of ${REQUESTS} refused`);
  assert.is(refused.length + count(sends, 0), REQUESTS);
  for (const { remark } of refused) assert.match(remark, REFUSED);
  const pulls = await answers(world, many(pull), 20_000);
  assert.ok(count(pulls, 2) > 0);
  assert.match(pulls.find(({ code }) => code === 2)!.remark, REFUSED);

  // Nothing of what was refused is stored.
  const [last] = await answers(world, [send]);
  assert.is(Number(last!.fields.queueOffset), 1 + REQUESTS + count(sends, 0));

  const off = Buffer.from('brokerFastFailureEnable=false\n');
  assert.is((await answers(world, [{ code: UPDATE_CONFIG, fields: {}, body: off }]))[0]!.code, 0);
  assert.is(count(await answers(world, many(send), 20_000), 0), REQUESTS, 'switched off while it runs');
  assert.is(count(await answers(world, many(pull), 20_000), 2), 0);
  await cluster.stop(LIMIT_MS);
}

const flow = suite('simulated cluster: flow control');

flow('refuses a backlog and serves what a standstill left', () => withSeeds('flow-control', RUNS, live));

flow.run();
