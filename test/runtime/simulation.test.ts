/** The seeded simulation with toy actors: it is deterministic, its faults do what they say, and it notices failures. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DiskError } from '../../src/base/disk.js';
import { RESTART_WINDOW_MS } from '../../src/runtime/supervisor.js';
import { Simulation, type SimProcess, type TestClient } from '../../src/runtime/simulation/simulation.js';
import { withSeeds } from '../support/seed.js';
import { type Auditor, FRAME_BYTES, HOST, type Ledger, PORT, request, toyProcess } from './toys.js';

/** A client that adds entries one after the other, dials again when its connection is gone, and knows what was answered. */
class Adder {
  readonly acknowledged = new Set<number>();
  private client: TestClient | undefined;
  private rest = Buffer.alloc(0);
  private next: number;
  private sent = 0;
  isStopped = false;
  private readonly longestBurst: number;

  constructor(
    private readonly simulation: Simulation,
    index: number,
    private readonly total: number,
  ) {
    // The longest fill every ring between here and the disk.
    this.longestBurst = simulation.random.pick([2, 20, 1500]);
    this.next = index * 1_000_000 + 1;
    this.dial();
  }

  get isDone(): boolean {
    return this.acknowledged.size >= this.total;
  }

  private dial(): void {
    if (this.isStopped) return;
    const client = this.simulation.connect(HOST, PORT);
    this.client = client;
    this.rest = Buffer.alloc(0);
    this.sent = 0;
    client.onConnected = () => this.add();
    client.onData = (chunk) => this.answered(chunk);
    client.onClosed = () => this.simulation.after(1 + this.simulation.random.unit() * 200, () => this.dial());
  }

  private add(): void {
    if (this.isStopped || this.isDone) return;
    for (let burst = this.simulation.random.below(this.longestBurst); burst >= 0; burst--) {
      this.client!.send(request(this.next++, 1));
      this.sent++;
    }
  }

  private answered(chunk: Buffer): void {
    this.rest = Buffer.concat([this.rest, chunk]);
    while (this.rest.length >= FRAME_BYTES) {
      this.acknowledged.add(this.rest.readInt32BE(0));
      this.sent--;
      this.rest = this.rest.subarray(FRAME_BYTES);
    }
    if (this.sent <= 0) this.add();
  }
}

function ledgerOf(process: SimProcess): Ledger {
  return process.stateOf('ledger') as Ledger;
}

function assertNothingLost(process: SimProcess, adders: readonly Adder[]): void {
  const stored = new Set(ledgerOf(process).entries);
  for (const { acknowledged } of adders) {
    for (const entry of acknowledged) assert.ok(stored.has(entry), `acknowledged entry ${entry} is not in the ledger`);
  }
}

/** A toy cluster under every fault that the simulation knows; returns the hash of what happened. */
async function campaign(seed: number): Promise<string> {
  const simulation = new Simulation(seed);
  const { random } = simulation;
  const toys = simulation.addProcess(toyProcess({ prepare: () => simulation.sleep(5).then(() => 'scanned') }));
  await simulation.start(toys);
  const adders = Array.from({ length: 3 }, (_, index) => new Adder(simulation, index, 400));
  let entries = 0;
  simulation.invariant('the ledger only grows while it runs', () => {
    const state = toys.stateOf('ledger') as Ledger | undefined;
    const now = state?.entries.length ?? 0;
    assert.ok(state === undefined || now >= entries || now === 0 || entries === 0 || state.waiting.length === 0);
    entries = now;
  });
  let crashes = 0;
  let deaths = 0;
  for (let round = 0; round < 8; round++) {
    await simulation.runFor(random.unit() * 300);
    const fault = random.pick(['crash', 'kill', 'power', 'pause', 'partition', 'cut', 'slow disk', 'thread', 'clock']);
    switch (fault) {
      case 'crash':
        // A unit may crash five times a minute.
        if (crashes++ < 3) toys.crash(random.pick(['ledger', 'auditor']));
        break;
      case 'kill':
      case 'power':
        if (fault === 'kill') toys.kill();
        else toys.powerLoss();
        await simulation.runFor(random.unit() * 500);
        await simulation.start(toys);
        break;
      case 'pause':
        toys.pause(random.pick(['front', 'worker-1', 'worker-2']), random.unit() * 400);
        break;
      case 'partition':
        simulation.network.partition((client) => client.host === 'client-1', random.unit() * 1000);
        break;
      case 'cut':
        for (const connection of simulation.network.connections()) if (random.chance(0.5)) connection.cut();
        break;
      case 'slow disk':
        toys.slowDisk({ fromMs: 50, toMs: 200 }, random.unit() * 1000);
        break;
      case 'thread':
        // The second death within a minute is the end of the process.
        if (deaths++ > 0) break;
        toys.current.killThread(random.pick(['front', 'worker-1', 'worker-2']), 'its units');
        crashes++;
        break;
      case 'clock':
        simulation.time.stepWall(random.below(10_000) - 5000);
        break;
    }
  }
  await simulation.runUntil('everything is answered', () => adders.every((adder) => adder.isDone), 120_000);
  for (const adder of adders) adder.isStopped = true;
  const serves = (): boolean => toys.current.health[1] === 1 && toys.stateOf('auditor') !== undefined;
  await simulation.runUntil('everything is up', () => serves() && toys.stateOf('ledger') !== undefined, 5000);
  assertNothingLost(toys, adders);
  // No thread may be dead when it is asked to stop.
  await simulation.runFor(100);
  await simulation.stop(toys, 5000);
  return `${simulation.trace.hash} ${simulation.steps} ${simulation.time.monotonic()}`;
}

const determinism = suite('simulation: one seed, one history');

determinism('nothing acknowledged is lost under any fault, and a seed replays exactly', async () => {
  await withSeeds('toy campaign', 25, async (seed) => {
    assert.is(await campaign(seed), await campaign(seed));
  });
});

determinism('other seeds have other histories', async () => {
  const histories = new Set<string>();
  for (let seed = 1; seed <= 4; seed++) histories.add(await campaign(seed));
  assert.is(histories.size, 4);
});

determinism.run();

const faults = suite('simulation: faults');

/** A started toy cluster and one connected client. */
async function toys(seed: number, more: Parameters<typeof toyProcess>[0] = {}) {
  const simulation = new Simulation(seed);
  const process = simulation.addProcess(toyProcess(more));
  await simulation.start(process);
  const client = simulation.connect(HOST, PORT);
  await simulation.runUntil('connected', () => client.isConnected, 1000);
  const answers = (): number => Buffer.concat(client.received).length / FRAME_BYTES;
  return { simulation, process, client, answers };
}

faults('without any, a cluster starts, serves and stops, and leaves no file open', async () => {
  await withSeeds('start, serve, stop', 20, async (seed) => {
    const { simulation, process, client, answers } = await toys(seed);
    await simulation.runUntil('the port is known', () => process.current.facts.get('ledger.port') === PORT, 100);
    for (let entry = 1; entry <= 200; entry++) client.send(request(entry, entry));
    await simulation.runUntil('200 answers', () => answers() === 200, 20_000);
    assert.is((process.stateOf('auditor') as Auditor).heard, 200);
    await simulation.stop(process, 5000);
    assert.is(process.disk.openFiles(), 0);
    assert.is(simulation.network.connections((connection) => !connection.isOver).length, client.isOpen ? 1 : 0);
  });
});

faults('a crash on request restarts the unit through the supervisor and closes its connections', async () => {
  await withSeeds('crash', 20, async (seed) => {
    const { simulation, process, client } = await toys(seed);
    client.send(request(7, 1));
    await simulation.runUntil('stored', () => ledgerOf(process).entries.length === 1, 1000);
    assert.ok(process.crash('auditor'));
    assert.is(process.stateOf('auditor'), undefined);
    await simulation.runUntil('the connection is closed', () => client.closedReason !== undefined, 1000);
    await simulation.runUntil('restarted', () => process.current.restarts === 1 && process.isUp, 1000);
    await simulation.runUntil('it serves', () => process.current.health[1] === 1, 1000);
    assert.equal(ledgerOf(process).entries, [7]);
  });
});

faults('a unit that keeps crashing stays down', async () => {
  const { simulation, process } = await toys(1);
  for (let crash = 0; crash < 6; crash++) {
    await simulation.runUntil('it runs', () => process.stateOf('ledger') !== undefined, 1000);
    await simulation.runFor(RESTART_WINDOW_MS / 100);
    process.crash('ledger');
  }
  await simulation.runFor(RESTART_WINDOW_MS);
  assert.is(process.current.supervisor.phaseOf(1), 'failed');
  assert.is(process.stateOf('ledger'), undefined);
});

faults(
  'a kill keeps what was written, a power loss what was synced; peers of a dead machine hear nothing at first',
  async () => {
    await withSeeds('kill and power loss', 20, async (seed) => {
      const { simulation, process, client, answers } = await toys(seed);
      client.send(request(1, 1));
      await simulation.runUntil('answered', () => answers() === 1, 1000);
      process.slowDisk({ fromMs: 10_000, toMs: 10_000 }, 1_000_000);
      client.send(request(2, 1));
      await simulation.runUntil('written', () => ledgerOf(process).entries.length === 2, 1000);
      process.kill();
      await simulation.runUntil('the client hears of it', () => client.closedReason !== undefined, 1000);
      await simulation.start(process);
      assert.equal(ledgerOf(process).entries, [1, 2]);

      const second = simulation.connect(HOST, PORT);
      await simulation.runUntil('connected', () => second.isConnected, 1000);
      second.send(request(3, 1));
      await simulation.runUntil('written', () => ledgerOf(process).entries.length === 3, 1000);
      process.powerLoss();
      await simulation.runFor(900);
      assert.ok(second.isOpen);
      await simulation.runUntil('the client times out', () => second.closedReason === 'ETIMEDOUT', 30_000);
      await simulation.start(process);
      assert.is(ledgerOf(process).entries[0], 1);
      assert.ok(ledgerOf(process).entries.length <= 3);
    });
  },
);

faults('a paused thread takes no turn, a slow disk answers late', async () => {
  const { simulation, process, client, answers } = await toys(3);
  process.pause('worker-1', 500);
  const startMs = simulation.time.monotonic();
  client.send(request(1, 1));
  await simulation.runUntil('answered', () => answers() === 1, 1000);
  assert.ok(simulation.time.monotonic() - startMs >= 500);
  process.slowDisk({ fromMs: 300, toMs: 300 }, 250);
  const slowMs = simulation.time.monotonic();
  client.send(request(2, 1));
  await simulation.runUntil('answered', () => answers() === 2, 1000);
  assert.ok(simulation.time.monotonic() - slowMs >= 300);
  const usualMs = simulation.time.monotonic();
  client.send(request(3, 1));
  await simulation.runUntil('answered', () => answers() === 3, 1000);
  assert.ok(simulation.time.monotonic() - usualMs < 300);
});

faults('a thread that dies comes back with what it hosted', async () => {
  await withSeeds('thread death', 20, async (seed) => {
    for (const thread of ['front', 'worker-1', 'worker-2']) {
      const { simulation, process, client, answers } = await toys(seed);
      client.send(request(5, 1));
      await simulation.runUntil('answered', () => answers() === 1, 1000);
      process.current.killThread(thread, 'its units');
      await simulation.runUntil('the connection is closed', () => client.closedReason !== undefined, 1000);
      const again = (): TestClient => {
        const other = simulation.connect(HOST, PORT);
        other.send(request(6, 1));
        return other;
      };
      let other = again();
      await simulation.runUntil(
        `served again after the death of ${thread}`,
        () => {
          if (other.closedReason !== undefined) other = again();
          return other.received.length > 0;
        },
        5000,
      );
      assert.is(ledgerOf(process).entries[0], 5);
    }
  });
});

faults("wall and monotonic clocks are the simulation's own, and the wall clock can be set", async () => {
  const simulation = new Simulation(5);
  const wall = simulation.time.now();
  const monotonic = simulation.time.monotonic();
  assert.ok(Number.isInteger(wall));
  await simulation.runFor(1000);
  assert.ok(Math.abs(simulation.time.now() - wall - 1000) <= 1);
  assert.ok(Math.abs(simulation.time.monotonic() - monotonic - 1000) < 0.001);
  simulation.time.stepWall(-60_000);
  assert.ok(simulation.time.now() < wall);
  assert.ok(simulation.time.monotonic() >= 1000);
  assert.is.not(new Simulation(6).time.now(), new Simulation(7).time.now());
});

faults.run();

const failures = suite('simulation: what it notices');

async function failureOf(run: Promise<unknown>): Promise<Error> {
  return run.then(
    () => assert.unreachable('should have failed') as never,
    (error) => error as Error,
  );
}

failures('a crash that nobody asked for ends it, with the seed and what led to it', async () => {
  const { simulation, client, answers } = await toys(11, { poison: 666 });
  client.send(request(1, 666));
  const error = await failureOf(simulation.runUntil('an answer', () => answers() === 1, 1000));
  assert.match(error.message, /^toys: ledger crashed in add: poison: 1\nSEED=11, virtual time/);
  assert.match(error.message, /worker-1: running/);
  assert.match(error.message, /crashed ledger 1/);
});

failures('a crash that the test expects is left to the supervisor', async () => {
  const { simulation, process, client } = await toys(12, {
    tolerates: (actor, error) => actor === 'ledger' && error instanceof DiskError,
  });
  process.disk.inject({ operation: 'sync', pathPart: '/ledger', code: 'EIO', times: 1 });
  client.send(request(1, 1));
  await simulation.runUntil('restarted', () => process.current.restarts === 1, 1000);
});

failures('a start that fails ends it', async () => {
  const simulation = new Simulation(13);
  const process = simulation.addProcess(toyProcess({ prepare: () => Promise.reject(new Error('the log is torn')) }));
  assert.match((await failureOf(simulation.start(process))).message, 'the log is torn');
});

failures('options that could not travel to a real thread are refused', async () => {
  const simulation = new Simulation(14);
  const spec = toyProcess();
  const plans: typeof spec.plans = (boot) =>
    spec.plans(boot).map((unit) => ({
      ...unit,
      actors: unit.actors.map((one) => ({ ...one, options: () => ({ callback: () => undefined }) })),
    }));
  const process = simulation.addProcess({ ...spec, plans });
  assert.match((await failureOf(simulation.start(process))).message, 'options of front cannot travel to a thread');
});

failures('a broken invariant, a condition that comes too late, one that cannot come', async () => {
  const { simulation, client } = await toys(15);
  const late = await failureOf(simulation.runUntil('the impossible', () => false, 100));
  assert.match(late.message, /^the impossible: not within 100 ms\nSEED=15/);
  assert.match(late.message, /worker-2: parked/);
  client.destroy();
  const never = await failureOf(simulation.runUntil('the impossible', () => false, 1_000_000));
  assert.match(never.message, /^the impossible: nothing can happen any more\nSEED=15/);
  simulation.invariant('there is never a second client', () => {
    assert.is(simulation.network.connections().length, 0, 'a second client');
  });
  simulation.connect(HOST, PORT);
  assert.match((await failureOf(simulation.runFor(10))).message, /^a second client\nSEED=15/);
});

failures.run();
