/** The runtime's own worker threads under load: full rings both ways, parts, parking, the order contract, idling. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KIB } from '../../src/base/units.js';
import { actorIdOf, type Directory } from '../../src/runtime/directory.js';
import { type HostPlan, ThreadHost } from '../../src/runtime/host.js';
import { makeWiring, type RingSizes, type Wiring } from '../../src/runtime/wiring.js';
import { within } from '../support/within.js';
import type { ContractOptions, DuelOptions } from './actors.js';

const LIMIT_MS = 30_000;
const TINY: RingSizes = { socketsBytes: 4 * KIB, workersBytes: 4 * KIB };

interface Layout {
  readonly threads: readonly ('sockets' | 'blocking')[];
  /** name -> thread */
  readonly actors: Readonly<Record<string, number>>;
}

class Threads {
  readonly wiring: Wiring;
  readonly host: ThreadHost;
  private readonly directory: Directory;
  private readonly done = new Map<string, number | string>();
  private failure: Error | undefined;
  private wake: () => void = () => undefined;

  constructor(layout: Layout, sizes: RingSizes) {
    const actors = Object.entries({ ...layout.actors, io: layout.threads.length - 1 });
    this.directory = {
      threads: layout.threads.map((kind, index) => ({ name: `${kind}-${index}`, kind })),
      units: [{ name: 'all' }],
      actors: actors.map(([name, thread]) => ({ name, thread, unit: 0 })),
    };
    this.wiring = makeWiring(this.directory, sizes);
    const plan: HostPlan = {
      wiring: this.wiring,
      threads: layout.threads.map(() => ({ definitions: [], disk: undefined })),
      ramDisks: [],
      io: { syncs: this.id('io'), reads: this.id('io') },
      registryUrl: new URL('./actors.js', import.meta.url).href,
      seed: 1,
    };
    this.host = new ThreadHost(plan, {
      event: (_, event) => {
        if (event.kind === 'reported') this.done.set(this.directory.actors[event.actor]!.name, event.value);
        if (event.kind === 'crashed') this.failure = new Error(`crashed in ${event.during}: ${event.error.message}`);
        this.wake();
      },
      died: (_, error) => {
        this.failure = error;
        this.wake();
      },
    });
  }

  id(name: string): number {
    return actorIdOf(this.directory, name);
  }

  async start(name: string, definition: string, options: unknown): Promise<void> {
    const id = this.id(name);
    await this.host.ports[this.directory.actors[id]!.thread]!.start(id, definition, options);
  }

  /** Lets an actor begin, when all of those that it talks to have started. */
  async begin(name: string): Promise<void> {
    const id = this.id(name);
    await this.host.ports[this.directory.actors[id]!.thread]!.tell(id, 'begin', {});
  }

  /** Resolves when all of these actors have reported that they are done. */
  async finished(...names: readonly string[]): Promise<void> {
    const wait = async (): Promise<void> => {
      while (!names.every((name) => this.done.has(name))) {
        if (this.failure !== undefined) throw this.failure;
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    };
    await within(LIMIT_MS, `done: ${names.join(', ')}`, wait());
  }
}

async function withThreads(layout: Layout, sizes: RingSizes, run: (threads: Threads) => Promise<void>): Promise<void> {
  const threads = new Threads(layout, sizes);
  try {
    await within(LIMIT_MS, 'threads up', threads.host.ready());
    await run(threads);
    await within(5000, 'threads stop when asked', threads.host.stop());
  } finally {
    await threads.host.terminate();
  }
}

async function fight(layout: Layout, sizes: RingSizes, options: Omit<DuelOptions, 'peer'>): Promise<void> {
  await withThreads(layout, sizes, async (threads) => {
    await threads.start('a', 'duel', { ...options, peer: threads.id('b') });
    await threads.start('b', 'duel', { ...options, peer: threads.id('a') });
    await Promise.all([threads.begin('a'), threads.begin('b')]);
    await threads.finished('a', 'b');
  });
}

const KINDS: Readonly<Record<string, Layout>> = {
  'two blocking threads': { threads: ['blocking', 'blocking'], actors: { a: 0, b: 1 } },
  'a sockets thread and a blocking one': { threads: ['sockets', 'blocking'], actors: { a: 0, b: 1 } },
};

const threads = suite('worker threads');

for (const [name, layout] of Object.entries(KINDS)) {
  threads(`${name} fill the rings in both directions and do not lock each other`, () =>
    fight(layout, TINY, { total: 40_000, maxBytes: 300, inFlight: Number.POSITIVE_INFINITY }),
  );

  threads(`${name} exchange messages much larger than their rings`, () =>
    fight(layout, TINY, { total: 1000, maxBytes: 40 * KIB, inFlight: Number.POSITIVE_INFINITY }),
  );

  threads(`${name} park between any two messages and lose no wake-up`, () =>
    fight(layout, TINY, { total: 10_000, maxBytes: 16, inFlight: 1 }),
  );
}

threads('a pull never overtakes the entry that its client was told of', () =>
  withThreads(
    { threads: ['sockets', 'blocking', 'blocking'], actors: { front: 0, broker: 1, queue: 2 } },
    { socketsBytes: 1024 * KIB, workersBytes: 1024 * KIB },
    async (three) => {
      const options: ContractOptions = {
        front: three.id('front'),
        broker: three.id('broker'),
        queue: three.id('queue'),
        total: 150_000,
        inFlight: 200,
      };
      await three.start('broker', 'contract-broker', options);
      await three.start('queue', 'contract-queue', options);
      await three.start('front', 'contract-front', options);
      await three.begin('front');
      await three.finished('front');
    },
  ),
);

threads('sleep when there is nothing to do, also after a control call', () =>
  withThreads(KINDS['a sockets thread and a blocking one']!, TINY, async (two) => {
    const options = { total: 10, maxBytes: 10, inFlight: 1 };
    await two.start('a', 'duel', { ...options, peer: two.id('b') });
    await two.start('b', 'duel', { ...options, peer: two.id('a') });
    await two.begin('a');
    await two.begin('b');
    await two.finished('a', 'b');
    // Compilers and collectors of young threads come to rest too.
    await sleep(300);
    const before = process.cpuUsage();
    await sleep(1000);
    const { user, system } = process.cpuUsage(before);
    const busyMs = (user + system) / 1000;
    assert.ok(busyMs < 200, `idle threads used ${busyMs} ms of one second`);
  }),
);

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

threads.run();
