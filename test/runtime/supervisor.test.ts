/** Start, restart and stop of units against ports that only write down what they are asked. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DiskError } from '../../src/base/disk.js';
import { NotNowError } from '../../src/base/start-error.js';
import type { ActorId } from '../../src/runtime/actor.js';
import type { Directory } from '../../src/runtime/directory.js';
import {
  MAX_RESTARTS,
  RESTART_WINDOW_MS,
  Supervisor,
  type ThreadPort,
  type UnitPlan,
} from '../../src/runtime/supervisor.js';

const directory: Directory = {
  threads: [
    { name: 'front', kind: 'sockets' },
    { name: 'worker-1', kind: 'blocking' },
    { name: 'worker-2', kind: 'blocking' },
  ],
  units: [{ name: 'front' }, { name: 'broker-a' }, { name: 'broker-b' }, { name: 'runtime' }],
  actors: [
    { name: 'front', thread: 0, unit: 0 },
    { name: 'broker-a', thread: 1, unit: 1 },
    { name: 'queues-a', thread: 2, unit: 1 },
    { name: 'broker-b', thread: 2, unit: 2 },
    { name: 'io', thread: 2, unit: 3 },
  ],
};
const [FRONT, BROKER_A, QUEUES_A, BROKER_B, IO] = [0, 1, 2, 3, 4] as const;
const [UNIT_A, UNIT_B] = [1, 2] as const;

function plan(unit: number, actors: readonly ActorId[], more: Partial<UnitPlan> = {}): UnitPlan {
  return {
    unit,
    actors: actors.map((actor) => ({
      actor,
      definition: directory.actors[actor]!.name,
      options: () => ({}),
      takesPrepared: false,
    })),
    prepare: undefined,
    hasListeners: unit !== 0,
    stage: unit === 0 ? 0 : 1,
    ...more,
  };
}

class Fixture {
  readonly calls: string[] = [];
  readonly logs: string[] = [];
  readonly health: string[] = [];
  restarts = 0;
  nowMs = 0;
  /** Starts that throw. */
  readonly failing = new Set<string>();
  /** Actors that do not say that they are ready. */
  readonly mute = new Set<ActorId>();
  /** Calls that wait until they are released. */
  readonly held = new Map<string, () => void>();
  readonly holds = new Set<string>();
  readonly dead = new Set<number>();
  readonly timers: { readonly delayMs: number; readonly run: () => void }[] = [];
  /** By unit, as the threads were told. */
  readonly epochs = new Map<number, number>();
  readonly supervisor: Supervisor;

  constructor(plans: readonly UnitPlan[] = [plan(0, [FRONT]), plan(1, [BROKER_A, QUEUES_A]), plan(2, [BROKER_B])]) {
    const ports = directory.threads.map((_, thread) => this.port(thread));
    this.supervisor = new Supervisor(directory, plans, ports, FRONT, {
      now: () => this.nowMs,
      log: (level, text) => this.logs.push(`${level} ${text}`),
      setHealth: (unit, serves) => this.health.push(`${unit} ${serves ? 'up' : 'down'}`),
      fatal: (reason) => this.logs.push(`fatal ${reason}`),
      restarted: () => this.restarts++,
      after: (delayMs, run) => this.timers.push({ delayMs, run }),
    });
  }

  /** Of its unit's present life. */
  crash(actor: ActorId, during: string, error: Error): void {
    this.supervisor.crashed(actor, during, error, this.epochs.get(directory.actors[actor]!.unit) ?? 0);
  }

  ready(actor: ActorId): void {
    this.supervisor.ready(actor, this.epochs.get(directory.actors[actor]!.unit) ?? 0);
  }

  takeCalls(): string[] {
    return this.calls.splice(0);
  }

  private port(thread: number): ThreadPort {
    const called = async (call: string): Promise<void> => {
      if (this.dead.has(thread)) throw new Error(`thread ${thread} is dead`);
      this.calls.push(call);
      if (this.holds.delete(call)) await new Promise<void>((resolve) => this.held.set(call, resolve));
    };
    const nameOf = (actor: ActorId): string => directory.actors[actor]!.name;
    return {
      start: async (actor, definition, options) => {
        const text = Object.keys(options as object).length > 0 ? ` ${JSON.stringify(options)}` : '';
        await called(`start ${definition}${text}`);
        if (this.failing.has(definition)) throw new Error(`${definition} has no store`);
        if (!this.mute.has(actor)) this.ready(actor);
      },
      close: (actor) => called(`close ${nameOf(actor)}`),
      kill: (unit, epoch) => {
        this.epochs.set(unit, epoch);
        return called(`kill ${directory.units[unit]!.name} on ${thread} for epoch ${epoch}`);
      },
      tell: (actor, kind, message) => called(`tell ${nameOf(actor)} ${kind} ${JSON.stringify(message)}`),
    };
  }
}

/** Lets everything happen that waits for nothing outside. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function up(plans?: readonly UnitPlan[]): Promise<Fixture> {
  const fixture = new Fixture(plans);
  await fixture.supervisor.start();
  fixture.takeCalls();
  return fixture;
}

const TAKE_DOWN_A = [
  'tell front closeUnit {"unit":1}',
  'kill broker-a on 0 for epoch 1',
  'kill broker-a on 1 for epoch 1',
  'kill broker-a on 2 for epoch 1',
];
const BRING_UP_A = ['start broker-a', 'start queues-a', 'tell front openUnit {"unit":1}'];

const starting = suite('supervisor: start and stop');

starting('starts stage by stage, and opens listeners when the actors of their unit run', async () => {
  const fixture = new Fixture([plan(2, [BROKER_B], { stage: 2 }), plan(0, [FRONT]), plan(1, [BROKER_A, QUEUES_A])]);
  fixture.holds.add('start queues-a');
  const start = fixture.supervisor.start();
  await settled();
  assert.equal(fixture.calls, ['start front', 'start broker-a', 'start queues-a']);
  fixture.held.get('start queues-a')!();
  await start;
  assert.is(fixture.calls.at(-2), 'start broker-b');
  const unitA = fixture.calls.filter((call) => BRING_UP_A.includes(call));
  assert.equal(unitA, BRING_UP_A);
  assert.equal(fixture.health.sort(), ['0 up', '1 up', '2 up']);
});

starting('hands the result of the preparation to the actors that take it', async () => {
  let scans = 0;
  let port = 1;
  const fixture = new Fixture([
    plan(0, [FRONT]),
    {
      ...plan(1, []),
      prepare: async () => `scan ${++scans}`,
      actors: [
        { actor: BROKER_A, definition: 'broker-a', options: () => ({ port }), takesPrepared: true },
        { actor: QUEUES_A, definition: 'queues-a', options: () => ({}), takesPrepared: false },
      ],
    },
  ]);
  await fixture.supervisor.start();
  assert.equal(fixture.takeCalls().slice(1, 3), ['start broker-a {"port":1,"prepared":"scan 1"}', 'start queues-a']);
  port = 2;
  await fixture.supervisor.kill(UNIT_A, 'a restart prepares again and asks for the options again');
  assert.ok(fixture.takeCalls().includes('start broker-a {"port":2,"prepared":"scan 2"}'));
});

starting('waits until every actor says that it serves', async () => {
  const fixture = new Fixture();
  fixture.mute.add(QUEUES_A);
  let isStarted = false;
  const start = fixture.supervisor.start().then(() => {
    isStarted = true;
  });
  await settled();
  assert.not.ok(isStarted);
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'starting');
  fixture.ready(QUEUES_A);
  await start;
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'up');
});

starting('fails when an actor throws in its start or crashes before it serves', async () => {
  const throwing = new Fixture();
  throwing.failing.add('queues-a');
  await throws(throwing.supervisor.start(), 'queues-a has no store');
  const crashing = new Fixture();
  crashing.mute.add(BROKER_B);
  const start = crashing.supervisor.start();
  await settled();
  crashing.crash(BROKER_B, 'recovery', new Error('torn'));
  await throws(start, 'torn');
});

starting('stops in order: no new input, stages in reverse, actors of a unit in reverse, the front last', async () => {
  const fixture = await up([plan(0, [FRONT]), plan(1, [BROKER_A, QUEUES_A]), plan(2, [BROKER_B], { stage: 2 })]);
  await fixture.supervisor.stop();
  assert.equal(fixture.takeCalls(), [
    'tell front drain {}',
    'close broker-b',
    'close queues-a',
    'close broker-a',
    'close front',
  ]);
  fixture.crash(BROKER_A, 'late', new Error('ignored'));
  await settled();
  assert.equal(fixture.takeCalls(), []);
});

starting('a stop during the start ends it', async () => {
  const fixture = new Fixture();
  fixture.mute.add(BROKER_B);
  const start = fixture.supervisor.start();
  await settled();
  const stop = fixture.supervisor.stop();
  await throws(start, 'stopping');
  await stop;
  assert.is(fixture.supervisor.phaseOf(UNIT_B), 'stopped');
});

starting('a stop during a restart waits for it to be given up, and leaves nothing running', async () => {
  const fixture = await up();
  fixture.mute.add(QUEUES_A);
  fixture.crash(BROKER_A, 'send', new Error('bug'));
  await settled();
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'restarting');
  fixture.takeCalls();
  await fixture.supervisor.stop();
  assert.ok(fixture.takeCalls().includes('kill broker-a on 1 for epoch 2'));
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'stopped');
});

starting.run();

const restarting = suite('supervisor: restart');

restarting('a crashed actor takes its unit down everywhere, under a new epoch, and brings it up again', async () => {
  const fixture = await up();
  fixture.health.length = 0;
  fixture.crash(QUEUES_A, 'pull', new Error('bug'));
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'restarting');
  await settled();
  assert.equal(fixture.takeCalls(), [...TAKE_DOWN_A, ...BRING_UP_A]);
  assert.equal(fixture.health, ['1 down', '1 up']);
  assert.is(fixture.restarts, 1);
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'up');
  assert.ok(fixture.logs[0]!.startsWith('error queues-a crashed in pull: bug'));
});

restarting('nothing starts before every thread has dropped the old incarnation', async () => {
  const fixture = await up();
  fixture.holds.add('kill broker-a on 2 for epoch 1');
  fixture.crash(BROKER_A, 'send', new Error('bug'));
  await settled();
  assert.equal(fixture.takeCalls(), TAKE_DOWN_A);
  fixture.held.get('kill broker-a on 2 for epoch 1')!();
  await settled();
  assert.equal(fixture.takeCalls(), BRING_UP_A);
});

restarting('two actors of a unit that crash at once restart it once', async () => {
  const fixture = await up();
  fixture.crash(BROKER_A, 'send', new Error('bug'));
  fixture.crash(QUEUES_A, 'pull', new Error('bug'));
  await settled();
  assert.equal(fixture.takeCalls(), [...TAKE_DOWN_A, ...BRING_UP_A]);
  assert.is(fixture.restarts, 1);
});

restarting('a crash during the restart starts the next one', async () => {
  const fixture = await up();
  fixture.mute.add(QUEUES_A);
  fixture.crash(BROKER_A, 'send', new Error('bug'));
  await settled();
  fixture.mute.delete(QUEUES_A);
  fixture.crash(BROKER_A, 'recovery', new Error('bug again'));
  await settled();
  assert.is(fixture.restarts, 2);
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'up');
});

restarting(
  'a crash after every actor has said that it serves, but before the unit counts as up, is not lost',
  async () => {
    const fixture = await up();
    fixture.holds.add('tell front openUnit {"unit":1}');
    fixture.crash(BROKER_A, 'send', new Error('bug'));
    await settled();
    fixture.crash(QUEUES_A, 'pull', new Error('bug'));
    fixture.held.get('tell front openUnit {"unit":1}')!();
    await settled();
    assert.is(fixture.restarts, 2);
    assert.is(fixture.takeCalls().filter((call) => call === 'start queues-a').length, 2);
  },
);

restarting('a unit that crashes too often stays down and says so; the others serve', async () => {
  const fixture = await up();
  for (let crash = 0; crash <= MAX_RESTARTS; crash++) {
    fixture.nowMs += RESTART_WINDOW_MS / (MAX_RESTARTS + 1);
    fixture.crash(BROKER_A, 'send', new Error('bug'));
    await settled();
  }
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'failed');
  assert.is(fixture.restarts, MAX_RESTARTS);
  assert.ok(fixture.logs.some((line) => line.includes('broker-a crashed 6 times within 60 s and stays down')));
  assert.is(fixture.health.at(-1), '1 down');
  assert.is(fixture.supervisor.phaseOf(UNIT_B), 'up');
  fixture.takeCalls();
  fixture.crash(BROKER_A, 'late', new Error('ignored'));
  await settled();
  assert.equal(fixture.takeCalls(), []);
});

restarting('crashes that lie further apart than the window are forgiven', async () => {
  const fixture = await up();
  for (let crash = 0; crash < 3 * MAX_RESTARTS; crash++) {
    fixture.nowMs += RESTART_WINDOW_MS / MAX_RESTARTS;
    fixture.crash(BROKER_A, 'send', new Error('bug'));
    await settled();
  }
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'up');
  assert.is(fixture.restarts, 3 * MAX_RESTARTS);
});

restarting('a unit that cannot come back is tried again until the limit', async () => {
  const fixture = await up();
  fixture.failing.add('queues-a');
  fixture.crash(BROKER_A, 'send', new Error('bug'));
  await settled();
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'failed');
  assert.is(fixture.restarts, MAX_RESTARTS);
});

restarting(
  'a unit that finds the disk full waits ever longer, uses up no restarts, and comes up with room',
  async () => {
    let fails: Error | undefined;
    const prepare = async (): Promise<void> => {
      if (fails !== undefined) throw fails;
    };
    const fixture = await up([plan(0, [FRONT]), plan(1, [BROKER_A, QUEUES_A], { prepare })]);
    fails = new DiskError('ENOSPC', '/store/consumequeue', 'write');
    fixture.crash(BROKER_A, 'send', new Error('bug'));
    const waits: number[] = [];
    for (let attempt = 0; attempt < 2 * MAX_RESTARTS; attempt++) {
      await settled();
      assert.is(fixture.supervisor.phaseOf(UNIT_A), 'restarting');
      const { delayMs, run } = fixture.timers.shift()!;
      waits.push(delayMs);
      if (attempt === 2 * MAX_RESTARTS - 1) fails = undefined;
      run();
    }
    await settled();
    assert.equal(waits.slice(0, 5), [1000, 2000, 4000, 8000, 8000]);
    assert.is(fixture.supervisor.phaseOf(UNIT_A), 'up');
    assert.is(fixture.logs.filter((line) => line.includes('ENOSPC')).length, 1, 'said once');
  },
);

restarting('a stop does not wait for a unit that waits for the disk', async () => {
  let fails = false;
  const prepare = async (): Promise<void> => {
    if (fails) throw new NotNowError('broker-a: no space');
  };
  const fixture = await up([plan(0, [FRONT]), plan(1, [BROKER_A, QUEUES_A], { prepare })]);
  fails = true;
  fixture.crash(BROKER_A, 'send', new Error('bug'));
  await settled();
  assert.is(fixture.timers.length, 1);
  await fixture.supervisor.stop();
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'stopped');
});

restarting('what an actor of an earlier epoch says late does not count for its successor', async () => {
  const fixture = await up();
  fixture.mute.add(BROKER_A);
  fixture.crash(BROKER_A, 'send', new Error('bug'));
  await settled();
  fixture.supervisor.ready(BROKER_A, 0);
  fixture.supervisor.crashed(QUEUES_A, 'pull', new Error('of before'), 0);
  await settled();
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'restarting');
  assert.is(fixture.restarts, 1);
  fixture.ready(BROKER_A);
  await settled();
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'up');
});

restarting('a restarted front that opened a unit for a try that failed closes it before the next one', async () => {
  const fixture = await up();
  const open = 'tell front openUnit {"unit":1}';
  fixture.holds.add(open);
  fixture.crash(BROKER_A, 'send', new Error('bug'));
  await settled();
  fixture.mute.add(FRONT);
  fixture.crash(FRONT, 'write', new Error('bug'));
  await settled();
  fixture.takeCalls();
  fixture.held.get(open)!();
  await settled();
  assert.is(fixture.supervisor.phaseOf(0), 'restarting');
  assert.is(fixture.takeCalls()[0], 'tell front closeUnit {"unit":1}');
});

restarting(
  'a front that crashes takes every connection with it: units with listeners start again after it',
  async () => {
    const fixture = await up();
    fixture.mute.add(FRONT);
    fixture.crash(FRONT, 'write', new Error('bug'));
    await settled();
    const calls = fixture.takeCalls();
    assert.ok(calls.includes('start front'));
    assert.ok(calls.includes('kill broker-a on 1 for epoch 1'));
    assert.not.ok(
      calls.some((call) => call.includes('openUnit') || call === 'start broker-a'),
      'not before the front serves',
    );
    fixture.mute.delete(FRONT);
    fixture.ready(FRONT);
    await settled();
    const later = fixture.takeCalls();
    assert.equal(
      later.filter((call) => BRING_UP_A.includes(call)),
      BRING_UP_A,
    );
    assert.equal(
      [0, UNIT_A, UNIT_B].map((unit) => fixture.supervisor.phaseOf(unit)),
      ['up', 'up', 'up'],
    );
  },
);

restarting('a thread that comes back is told the epochs, and every unit with an actor there starts again', async () => {
  const fixture = await up();
  await fixture.supervisor.threadRestarted(1, false);
  assert.equal(fixture.takeCalls(), [
    'kill front on 1 for epoch 0',
    'kill broker-a on 1 for epoch 0',
    'kill broker-b on 1 for epoch 0',
    ...TAKE_DOWN_A,
    ...BRING_UP_A,
  ]);
  await fixture.supervisor.threadRestarted(1, true);
  const calls = fixture.takeCalls();
  assert.ok(calls.includes('start front') && calls.includes('start broker-b'), 'with `all`: every unit');
});

restarting('a restart that meets a dead thread goes on when the thread is back', async () => {
  const fixture = await up();
  fixture.dead.add(2);
  fixture.crash(BROKER_A, 'send', new Error('bug'));
  await settled();
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'restarting');
  assert.is(fixture.restarts, 0);
  fixture.dead.delete(2);
  await fixture.supervisor.threadRestarted(2, false);
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'up');
  assert.is(fixture.supervisor.phaseOf(UNIT_B), 'up', 'had an actor there too');
  assert.is(fixture.restarts, 2);
});

restarting('a dead thread that is back before the others have answered is not waited for', async () => {
  const fixture = await up();
  fixture.dead.add(2);
  fixture.holds.add('kill broker-a on 0 for epoch 1');
  fixture.crash(BROKER_A, 'send', new Error('bug'));
  await settled();
  fixture.dead.delete(2);
  const back = fixture.supervisor.threadRestarted(2, false);
  await settled();
  fixture.held.get('kill broker-a on 0 for epoch 1')!();
  await back;
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'up');
});

restarting('a thread that dies while a unit comes up makes it try again', async () => {
  const fixture = await up();
  fixture.mute.add(QUEUES_A);
  fixture.crash(BROKER_A, 'send', new Error('bug'));
  await settled();
  fixture.mute.delete(QUEUES_A);
  // The thread of broker-a, started a moment ago, is gone and there again.
  await fixture.supervisor.threadRestarted(1, false);
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'up');
  assert.is(fixture.takeCalls().filter((call) => call === 'start broker-a').length, 2);
});

restarting('a stop while a thread is dead closes what is left, and says what was not closed in order', async () => {
  const fixture = await up();
  fixture.dead.add(1);
  await fixture.supervisor.stop();
  const calls = fixture.takeCalls();
  assert.ok(calls.includes('close broker-b') && calls.includes('close front'));
  assert.ok(fixture.logs.some((line) => line.startsWith('warn broker-a was not closed in order')));
});

restarting('an actor of the runtime itself cannot be restarted: that is the end', async () => {
  const fixture = await up();
  fixture.ready(IO);
  fixture.crash(IO, 'sync', new Error('no such descriptor'));
  await settled();
  assert.match(fixture.logs[0]!, /^fatal io crashed in sync: Error: no such descriptor/);
  assert.equal(fixture.takeCalls(), []);
});

restarting('a kill on demand is a crash: it returns when the unit serves again', async () => {
  const fixture = await up();
  await fixture.supervisor.kill(UNIT_A, 'fault injection');
  assert.equal(fixture.takeCalls(), [...TAKE_DOWN_A, ...BRING_UP_A]);
  assert.is(fixture.supervisor.phaseOf(UNIT_A), 'up');
});

restarting.run();

async function throws(promise: Promise<unknown>, text: string): Promise<void> {
  try {
    await promise;
  } catch (error) {
    assert.match((error as Error).message, text);
    return;
  }
  assert.unreachable(`should have failed: ${text}`);
}
