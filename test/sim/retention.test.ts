/**
 * A cluster that lives in a byte budget, through kills, crashes and threads that stand still: its files never take more,
 * whoever reads gets whole messages from where the queue begins, and slaves follow however far they fell behind.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KIB } from '../../src/base/units.js';
import type { BrokerState } from '../../src/actors/broker/state.js';
import { Simulation } from '../../src/runtime/simulation/simulation.js';
import { type Answer, messagesOf, pullFields, sendFields } from '../support/remoting-client.js';
import { withSeeds } from '../support/seed.js';
import { drawShape, MASTERS, MAX_MESSAGE_BYTES, ROLES, type Role, SimCluster, SLAVE_OF } from './sim-cluster.js';
import { Session, WireClient } from './wire-client.js';

const RUNS = Number(process.env.RUNS ?? 2);
const TOPIC = 'Kept';
const QUEUES = 3;
const SEND = 310;
const PULL = 11;
const MIN_OFFSET = 31;
const MESSAGES = 800;
/** Fewer than bring a unit down for good. */
const CRASHES_MAX = 3;
const LIMIT_MS = 120_000;

interface World {
  readonly simulation: Simulation;
  readonly cluster: SimCluster;
  readonly budget: number;
}

const brokerOf = ({ cluster }: World, role: Role): BrokerState | undefined =>
  cluster.process.stateOf(role) as BrokerState | undefined;

function logBytes({ cluster }: World, role: Role): number {
  const { storePathCommitLog, mappedFileSizeCommitLog } = cluster.settingsOf(role);
  return cluster.process.disk.list(storePathCommitLog).length * mappedFileSizeCommitLog;
}

/** A queue host that stands still has not got its entries of the oldest file: that file has to stay. */
function isHeldUp(world: World, role: Role): boolean {
  const broker = brokerOf(world, role);
  if (broker === undefined) return false;
  const { dispatcher, log } = broker;
  const oldest = Math.min(dispatcher.oldestPending, ...[...dispatcher.behind()].map(({ from }) => from));
  return oldest < log.minOffset + log.fileBytes;
}

/** Sends one message after the other to each master, until so many were stored. */
function sendAll(world: World): () => boolean {
  const { simulation, cluster } = world;
  const { random } = simulation;
  const stored = new Map<string, number>();
  for (const master of MASTERS) {
    const send = (client: WireClient): void => {
      if (!client.isOpen || (stored.get(master) ?? 0) >= MESSAGES) return;
      const body = Buffer.alloc(1 + random.below(MAX_MESSAGE_BYTES), 'x');
      // Who does not wait for the slave leaves it behind.
      const properties = random.chance(0.9) ? 'KEYS\u0001k\u0002WAIT\u0001false' : 'KEYS\u0001k';
      client.call(SEND, sendFields(TOPIC, random.below(QUEUES), properties), body, (answer) => {
        if ([0, 10, 11, 12].includes(answer?.code ?? -1)) stored.set(master, (stored.get(master) ?? 0) + 1);
        simulation.after(random.unit() * 50, () => send(client));
      });
    };
    new Session(simulation, cluster.settingsOf(master).listenPort, '10.1.0.1', (client) => {
      for (let window = 0; window < 4; window++) send(client);
    });
  }
  return () => MASTERS.every((master) => (stored.get(master) ?? 0) >= MESSAGES);
}

/** One trouble after the other until everything is sent. */
async function suffer({ simulation, cluster }: World, isOver: () => boolean): Promise<void> {
  const { random } = simulation;
  const { process, plan } = cluster;
  const endMs = simulation.time.monotonic() + 10 * LIMIT_MS;
  let crashes = 0;
  while (!isOver()) {
    assert.ok(simulation.time.monotonic() < endMs, 'messages go on being stored');
    await simulation.runFor(random.unit() * 2_000);
    if (isOver() || !process.isUp) continue;
    if (random.chance(0.25)) {
      cluster.kill();
      process.begin();
      crashes = 0;
    } else if (random.chance(0.4) && crashes < CRASHES_MAX) {
      crashes++;
      process.crash(random.pick(ROLES));
    } else {
      process.pause(random.pick(plan.directory.threads).name, random.unit() * 3_000);
    }
  }
}

async function call(
  world: World,
  role: Role,
  code: number,
  fields: Readonly<Record<string, string | number | boolean>>,
) {
  const { simulation, cluster } = world;
  const client = new WireClient(simulation, cluster.settingsOf(role).listenPort, '10.9.0.1', () => undefined);
  let answer: Answer | undefined;
  let isOver = false;
  client.call(code, fields, undefined, (given) => {
    answer = given;
    isOver = true;
  });
  await simulation.runUntil(`${role} answers ${code}`, () => isOver, 20_000);
  client.close('end');
  if (answer === undefined) throw new Error(`${role}: no answer to ${code}`);
  return answer;
}

/** Everything from the queue's beginning on is there; in front of it the pull says where that is. Returns the beginning. */
async function readThrough(world: World, role: Role, queueId: number): Promise<number> {
  const pull = (offset: number) => call(world, role, PULL, pullFields(TOPIC, queueId, offset, { maxMsgNums: 100 }));
  const begin = async () => Number((await pull(0)).fields.minOffset);
  let min = -1;
  let brokerMin = -1;
  // What a pull costs (an event is stored) may be what the oldest file has to go for, in between.
  for (let again = await begin(); again !== min; again = await begin()) {
    min = again;
    brokerMin = Number((await call(world, role, MIN_OFFSET, { topic: TOPIC, queueId })).fields.offset);
  }
  assert.is(brokerMin, min, `${role}-${queueId}: broker and queue host agree`);
  let next = min;
  for (;;) {
    const { minOffset: logMin } = brokerOf(world, role)!.log;
    const answer = await pull(next);
    if (answer.code === 19) break;
    if (answer.code === 21) {
      // Deleted meanwhile.
      min = Number(answer.fields.minOffset);
      assert.ok(min > next);
      next = min;
      continue;
    }
    assert.is(answer.code, 0, `${role}-${queueId} at ${next}: ${answer.remark}`);
    for (const message of messagesOf(answer.body)) {
      assert.is(message.queueOffset, next, `${role}-${queueId}`);
      assert.ok(message.physicalOffset >= logMin && message.body.every((byte) => byte === 0x78));
      next++;
    }
  }
  assert.ok(next > min, 'something is left');
  assert.is(next, Number((await pull(next)).fields.maxOffset));
  return min;
}

async function live(seed: number): Promise<void> {
  const simulation = new Simulation(seed);
  const { random } = simulation;
  const drawn = drawShape(random);
  const logFileBytes = 64 * KIB;
  const budget = random.pick([5, 8, 16]) * logFileBytes;
  // Small files everywhere, so that all of them are deleted.
  const settings = `storeMaxBytes=${budget}`;
  const shape = { ...drawn, logFileBytes, queueFileBytes: random.pick([200, 2_000]), settings };
  const cluster = await SimCluster.create(simulation, shape);
  const world: World = { simulation, cluster, budget };
  await cluster.start();
  const check = (): void => {
    for (const role of ROLES) {
      const bytes = logBytes(world, role);
      if (bytes > budget && !isHeldUp(world, role))
        throw new Error(`${role} holds ${bytes} bytes of log, its budget is ${budget}`);
    }
    simulation.after(100, check);
  };
  check();
  await suffer(world, sendAll(world));
  await simulation.runUntil('everything is up', () => cluster.process.isUp, LIMIT_MS);
  const isQuiet = (): boolean =>
    cluster.process.current.health.every((word) => word === 1) &&
    MASTERS.every((master) => {
      const [own, slave] = [brokerOf(world, master), brokerOf(world, SLAVE_OF[master])];
      return own !== undefined && slave !== undefined && own.log.writtenOffset === slave.log.writtenOffset;
    });
  await simulation.runUntil('slaves have what their masters have', isQuiet, LIMIT_MS);
  await simulation.runFor(10_000);
  let begun = 0;
  for (const role of ROLES) {
    assert.ok(brokerOf(world, role)!.log.minOffset > 0, `${role} has deleted something`);
    for (let queueId = 0; queueId < QUEUES; queueId++) begun += await readThrough(world, role, queueId);
  }
  assert.ok(begun > 0);
  // The stores are whole, too.
  const kept = new Map(ROLES.map((role) => [role, brokerOf(world, role)!.log.minOffset]));
  cluster.kill();
  for (const role of ROLES) {
    const recovered = cluster.recovered(role);
    assert.is(recovered.minOffset, kept.get(role), role);
    assert.equal(recovered.problems, [], role);
  }
}

const retention = suite('simulated cluster: a byte budget');

retention('is kept under faults, and everything in it is there', () => withSeeds('retention', RUNS, live));

retention.run();
