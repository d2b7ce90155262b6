/** The front actor on node:net: many clients, one actor that echoes, both threads' turns in one event loop. */
import { connect, type Socket as NetSocket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connectionRows } from '../../../src/actors/front/connection-messages.js';
import { frontActor } from '../../../src/actors/front/front.js';
import { frontMessages } from '../../../src/actors/front/messages.js';
import type { FrontOptions } from '../../../src/actors/front/options.js';
import { systemClock } from '../../../src/base/clock.js';
import { prng } from '../../../src/base/prng.js';
import { KIB, MIB } from '../../../src/base/units.js';
import { actor, type Context } from '../../../src/runtime/actor.js';
import type { Directory } from '../../../src/runtime/directory.js';
import { type Lane, type MessageOf, messageTable } from '../../../src/runtime/message.js';
import { NodeNetwork } from '../../../src/runtime/node-network.js';
import { ringBytes } from '../../../src/runtime/ring.js';
import { Meter, SLAB_BYTES } from '../../../src/runtime/slab.js';
import { ThreadCore } from '../../../src/runtime/thread-core.js';
import { seedOf } from '../../support/seed.js';
import { request } from './driver.js';

const FRONT = 0;
const ECHO = 1;
const UNIT = 1;
const LIMIT_MS = 20_000;
const DIRECTORY: Directory = {
  threads: [
    { name: 'front', kind: 'sockets' },
    { name: 'worker', kind: 'blocking' },
  ],
  units: [{ name: 'front' }, { name: 'echo' }],
  actors: [
    { name: 'front', thread: 0, unit: 0 },
    { name: 'echo', thread: 1, unit: UNIT },
  ],
};

const tables = messageTable(connectionRows);

/** Answers every frame with itself. */
const echo = actor<Context, typeof tables, object>('echo', {
  messages: tables,
  start: (context) => context,
  on: {
    frame: (context, { connection, buffer, start, end }: MessageOf<typeof tables, 'frame'>) => {
      const bytes = end - start;
      const place = context.begin(FRONT, frontMessages.write, { connection }, 0, bytes + 4);
      place.buffer.writeInt32BE(bytes, place.at);
      buffer.copy(place.buffer, place.at + 4, start, end);
      context.end(bytes + 4);
    },
    opened: () => undefined,
    closed: () => undefined,
    dialed: () => undefined,
    dialFailed: () => undefined,
    bound: () => undefined,
  },
});

class Echo {
  port = 0;
  private readonly cores: ThreadCore[];
  private isStopped = false;

  constructor(
    capacity: number,
    private readonly whenBound: () => void,
  ) {
    const memory = (lane: Lane): SharedArrayBuffer =>
      new SharedArrayBuffer(ringBytes(lane === 'request' ? capacity : 8 * MIB));
    const lanes = ['request', 'reply'] as const;
    const there = lanes.map((lane) => ({ lane, memory: memory(lane) }));
    const back = lanes.map((lane) => ({ lane, memory: memory(lane) }));
    this.cores = [0, 1].map((thread) => {
      const [out, into] = thread === 0 ? [there, back] : [back, there];
      const other = 1 - thread;
      const services = {
        disk: undefined as never,
        network: thread === 0 ? new NodeNetwork() : undefined,
        meter: new Meter(new ArrayBuffer(SLAB_BYTES)),
      };
      const events = {
        crashed: (_: number, during: string, error: Error) => assert.unreachable(`${during}: ${error.stack}`),
        ready: () => undefined,
        reported: (_: number, fact: string, value: string | number) => {
          if (fact !== 'echo.port') return;
          this.port = Number(value);
          this.whenBound();
        },
        log: () => undefined,
        ring: () => undefined,
      };
      return new ThreadCore(
        thread,
        DIRECTORY,
        systemClock,
        prng(thread),
        services,
        events,
        out.map((ring) => ({ ...ring, thread: other })),
        into.map((ring) => ({ ...ring, thread: other })),
      );
    });
    const options: FrontOptions = {
      units: [
        {
          unit: UNIT,
          role: 'echo',
          host: '127.0.0.1',
          advertisedHost: '127.0.0.1',
          port: 0,
          hasVip: true,
          hasHa: false,
          actor: ECHO,
          haActor: -1,
          queueHosts: [],
          queueCodes: [],
        },
      ],
      actorUnits: [0, UNIT],
      connectionIds: new SharedArrayBuffer(4),
      idleTimeoutMs: 120_000,
      outputLimitBytes: 32 * MIB,
      outputTotalBytes: 128 * MIB,
      inputLimitBytes: 32 * MIB,
      maxConnections: 100,
      http: undefined,
      slabs: [],
      rings: [],
      health: new SharedArrayBuffer(8),
      unitNames: [],
    };
    this.cores[0].start(FRONT, frontActor, options);
    this.cores[1].start(ECHO, echo, {});
    this.cores[0].send(FRONT, FRONT, frontMessages.openUnit, { unit: UNIT }, 0);
    const turn = (): void => {
      if (this.isStopped) return;
      for (const core of this.cores) core.turn();
      setImmediate(turn);
    };
    turn();
  }

  /** Ends it as a crash would: whatever is open is closed by the runtime. */
  stop(): void {
    this.isStopped = true;
    for (const [unit, core] of this.cores.entries()) core.kill(unit);
  }

  static start(capacity: number): Promise<Echo> {
    return new Promise((resolve) => {
      const server: Echo = new Echo(capacity, () => resolve(server));
    });
  }
}

/** Sends the frames in chunks of random sizes and answers with what came back. */
function talk(port: number, seed: number, frames: readonly Buffer[]): Promise<Buffer> {
  const random = prng(seed);
  const stream = Buffer.concat(frames);
  return new Promise((resolve, reject) => {
    const socket: NetSocket = connect({ port, host: '127.0.0.1', noDelay: true });
    const got: Buffer[] = [];
    let bytes = 0;
    let at = 0;
    const timer = setTimeout(() => reject(new Error(`${bytes} of ${stream.length} bytes in time`)), LIMIT_MS);
    const send = (): void => {
      while (at < stream.length) {
        const end = Math.min(stream.length, at + 1 + random.below(random.chance(0.5) ? 100 : 100_000));
        const isRoom = socket.write(stream.subarray(at, end));
        at = end;
        if (!isRoom) return;
      }
    };
    socket.on('drain', send);
    socket.on('connect', send);
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      got.push(chunk);
      bytes += chunk.length;
      if (bytes < stream.length) return;
      clearTimeout(timer);
      socket.destroy();
      resolve(Buffer.concat(got));
    });
  });
}

const real = suite('front over real sockets');
const servers: Echo[] = [];
real.after.each(() => {
  for (const server of servers.splice(0)) server.stop();
});

for (const capacity of [64 * KIB, 8 * MIB]) {
  real(`thirty clients at once through a ring of ${capacity / KIB} KiB`, async () => {
    const server = await Echo.start(capacity);
    servers.push(server);
    const random = prng(seedOf('real sockets'));
    await Promise.all(
      Array.from({ length: 30 }, async (_, client) => {
        const count = 20 + random.below(200);
        const frames = Array.from({ length: count }, (__, i) =>
          request(i, random.chance(0.01) ? random.below(MIB) : random.below(3000)),
        );
        const seed = random.below(2 ** 31);
        const back = await talk(server.port - (client % 2) * 2, seed, frames);
        assert.ok(back.equals(Buffer.concat(frames)), `client ${client}`);
      }),
    );
  });
}

real('a frame of 16 MiB there and back', async () => {
  const server = await Echo.start(8 * MIB);
  servers.push(server);
  const frame = request(1, 16 * MIB - 200);
  assert.ok((await talk(server.port, 1, [frame])).equals(frame));
});

real.run();
