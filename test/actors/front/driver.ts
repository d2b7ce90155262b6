/**
 * A front actor on its own ThreadCore, recording actors on two others, rings in between, a fake network on the outside,
 * a clock that the test moves. Nothing runs by itself: `settle` takes turns until nobody has anything to do.
 *
 *     thread 0 front | thread 1 namesrv, broker-a, its queue hosts and HA actor | thread 2 broker-b
 */
import { connectionRows, PORT_KIND, streamRows } from '../../../src/actors/front/connection-messages.js';
import { frontActor } from '../../../src/actors/front/front.js';
import { frontMessages } from '../../../src/actors/front/messages.js';
import type { FrontOptions, UnitListeners } from '../../../src/actors/front/options.js';
import { QUEUE_CODES } from '../../../src/actors/front/queue-codes.js';
import type { FrontState } from '../../../src/actors/front/state.js';
import { KIB, MIB } from '../../../src/base/units.js';
import { prng } from '../../../src/base/prng.js';
import { actor, type ActorId } from '../../../src/runtime/actor.js';
import { actorIdOf, type Directory } from '../../../src/runtime/directory.js';
import { type Lane, type MessageOf, messageTable } from '../../../src/runtime/message.js';
import { ringBytes, type RingMemory } from '../../../src/runtime/ring.js';
import { Meter, SLAB_BYTES, SlabReader } from '../../../src/runtime/slab.js';
import { type RingTo, ThreadCore } from '../../../src/runtime/thread-core.js';
import { FakeNetwork, type Peer } from '../../support/fake-network.js';

const DIRECTORY: Directory = {
  threads: [
    { name: 'front', kind: 'sockets' },
    { name: 'one', kind: 'blocking' },
    { name: 'two', kind: 'blocking' },
  ],
  units: [{ name: 'front' }, { name: 'namesrv-a' }, { name: 'broker-a' }, { name: 'broker-b' }],
  actors: [
    { name: 'front', thread: 0, unit: 0 },
    { name: 'namesrv-a', thread: 1, unit: 1 },
    { name: 'broker-a', thread: 1, unit: 2 },
    { name: 'broker-a-queues-0', thread: 1, unit: 2 },
    { name: 'broker-a-queues-1', thread: 1, unit: 2 },
    { name: 'broker-a-ha', thread: 1, unit: 2 },
    { name: 'broker-b', thread: 2, unit: 3 },
  ],
};
export const ID = {
  front: actorIdOf(DIRECTORY, 'front'),
  namesrv: actorIdOf(DIRECTORY, 'namesrv-a'),
  brokerA: actorIdOf(DIRECTORY, 'broker-a'),
  queues0: actorIdOf(DIRECTORY, 'broker-a-queues-0'),
  queues1: actorIdOf(DIRECTORY, 'broker-a-queues-1'),
  haA: actorIdOf(DIRECTORY, 'broker-a-ha'),
  brokerB: actorIdOf(DIRECTORY, 'broker-b'),
} as const;
export const UNIT = { front: 0, namesrv: 1, brokerA: 2, brokerB: 3 } as const;
export const PORT = { namesrv: 9876, brokerA: 10911, brokerB: 10921 } as const;

const tables = messageTable({ ...connectionRows, ...streamRows });
type Message<K extends keyof typeof tables> = MessageOf<typeof tables, K>;

export type Heard =
  | { readonly kind: 'opened'; readonly connection: number; readonly remote: string }
  | { readonly kind: 'closed'; readonly connection: number }
  | {
      readonly kind: 'frame';
      readonly connection: number;
      readonly portKind: number;
      readonly bytes: Buffer;
      readonly receivedMs: number;
    }
  | { readonly kind: 'bytes'; readonly connection: number; readonly bytes: Buffer }
  | {
      readonly kind: 'dialed';
      readonly token: number;
      readonly connection: number;
      readonly peerActor: number;
      readonly peerConnection: number;
    }
  | { readonly kind: 'dialFailed'; readonly token: number; readonly reason: string }
  | { readonly kind: 'bound'; readonly port: number; readonly vipPort: number; readonly haPort: number };
export type HeardFrame = Extract<Heard, { kind: 'frame' }>;

/** Writes down what it hears. */
const recorder = actor<Heard[], typeof tables, { readonly heard: Heard[] }>('recorder', {
  messages: tables,
  start: (_, { heard }) => heard,
  on: {
    frame: (heard: Heard[], { connection, portKind, receivedMs, buffer, start, end }: Message<'frame'>) => {
      heard.push({ kind: 'frame', connection, portKind, receivedMs, bytes: Buffer.from(buffer.subarray(start, end)) });
    },
    opened: (heard: Heard[], { connection, value }: Message<'opened'>) => {
      heard.push({ kind: 'opened', connection, remote: `${value.remoteAddress}:${value.remotePort}` });
    },
    bytes: (heard: Heard[], { connection, buffer, start, end }: Message<'bytes'>) => {
      heard.push({ kind: 'bytes', connection, bytes: Buffer.from(buffer.subarray(start, end)) });
    },
    closed: (heard: Heard[], { connection }: Message<'closed'>) => heard.push({ kind: 'closed', connection }),
    dialed: (heard: Heard[], { token, connection, peerActor, peerConnection }: Message<'dialed'>) => {
      heard.push({ kind: 'dialed', token, connection, peerActor, peerConnection });
    },
    dialFailed: (heard: Heard[], { token, value }: Message<'dialFailed'>) => {
      heard.push({ kind: 'dialFailed', token, reason: value.reason });
    },
    bound: (heard: Heard[], { port, vipPort, haPort }: Message<'bound'>) => {
      heard.push({ kind: 'bound', port, vipPort, haPort });
    },
  },
});

export interface DriverOptions {
  readonly ringBytes?: number;
  /** Queue hosts of broker-a: 0, 1 or 2. */
  readonly hosts?: number;
  readonly isEphemeral?: boolean;
  readonly front?: Partial<FrontOptions>;
}

export class Driver {
  readonly network = new FakeNetwork();
  readonly clock = { wallMs: 1_700_000_000_000, ms: 0 };
  readonly logs: {
    readonly level: string;
    readonly text: string;
    readonly fields: Readonly<Record<string, unknown>>;
  }[] = [];
  readonly facts = new Map<string, string | number>();
  readonly crashes: Error[] = [];
  readonly ready = new Set<ActorId>();
  readonly slab = new ArrayBuffer(SLAB_BYTES);
  /** Threads that take no turns: their rings fill up. */
  readonly held = new Set<number>();
  readonly cores: ThreadCore[];
  readonly options: FrontOptions;
  private readonly heardBy: Heard[][] = DIRECTORY.actors.map(() => []);

  constructor({ ringBytes: capacity = 8 * MIB, hosts = 1, isEphemeral = false, front = {} }: DriverOptions = {}) {
    const rings: { from: number; to: number; lane: Lane; memory: RingMemory }[] = [];
    for (const from of [0, 1, 2]) {
      for (const to of [0, 1, 2]) {
        if (from === to) continue;
        for (const lane of ['request', 'reply'] as const) {
          const isMain = from === 0 ? lane === 'request' : to === 0 && lane === 'reply';
          rings.push({ from, to, lane, memory: new ArrayBuffer(ringBytes(isMain ? capacity : 64 * KIB)) });
        }
      }
    }
    const clock = { now: () => this.clock.wallMs, monotonic: () => this.clock.ms, localHour: () => 0 };
    this.cores = [0, 1, 2].map((thread) => {
      const slab = thread === 0 ? this.slab : new ArrayBuffer(SLAB_BYTES);
      const outbound = rings
        .filter(({ from }) => from === thread)
        .map((ring): RingTo => ({ ...ring, thread: ring.to }));
      const inbound = rings.filter(({ to }) => to === thread).map((ring): RingTo => ({ ...ring, thread: ring.from }));
      const events = {
        crashed: (_: ActorId, __: string, error: Error) => void this.crashes.push(error),
        ready: (id: ActorId) => void this.ready.add(id),
        reported: (_: ActorId, fact: string, value: string | number) => void this.facts.set(fact, value),
        log: (level: string, _: string, text: string, fields: unknown) =>
          void this.logs.push({ level, text, fields: fields as Readonly<Record<string, unknown>> }),
        ring: () => undefined,
      };
      const disk = undefined as never;
      const services = { disk, network: thread === 0 ? this.network : undefined, meter: new Meter(slab) };
      return new ThreadCore(thread, DIRECTORY, clock, prng(thread), services as never, events, outbound, inbound);
    });
    const at = (port: number): number => (isEphemeral ? 0 : port);
    const common = { host: '127.0.0.1', advertisedHost: 'hangar.example', haActor: -1, queueHosts: [], queueCodes: [] };
    const units: UnitListeners[] = [
      {
        ...common,
        unit: UNIT.namesrv,
        role: 'namesrv-a',
        port: at(PORT.namesrv),
        hasVip: false,
        hasHa: false,
        actor: ID.namesrv,
      },
      {
        ...common,
        unit: UNIT.brokerA,
        role: 'broker-a',
        port: at(PORT.brokerA),
        hasVip: true,
        hasHa: true,
        actor: ID.brokerA,
        haActor: ID.haA,
        queueHosts: [ID.queues0, ID.queues1].slice(0, hosts),
        queueCodes: QUEUE_CODES,
      },
      {
        ...common,
        unit: UNIT.brokerB,
        role: 'broker-b',
        port: at(PORT.brokerB),
        hasVip: true,
        hasHa: false,
        actor: ID.brokerB,
      },
    ];
    this.options = {
      units,
      actorUnits: DIRECTORY.actors.map(({ unit }) => unit),
      connectionIds: new ArrayBuffer(4),
      idleTimeoutMs: 120_000,
      outputLimitBytes: MIB,
      outputTotalBytes: 64 * MIB,
      inputLimitBytes: 32 * MIB,
      maxConnections: 1000,
      http: undefined,
      slabs: [this.slab],
      rings: rings.map(({ from, to, lane, memory }) => ({ from: String(from), to: String(to), lane, memory })),
      health: new Int32Array([1, 1, 1, 1]).buffer,
      unitNames: DIRECTORY.units.map(({ name }) => name),
      ...front,
    };
    this.cores[0].start(ID.front, frontActor, this.options);
    for (const [id, { thread }] of DIRECTORY.actors.entries()) {
      if (id !== ID.front) this.cores[thread].start(id, recorder, { heard: this.heardBy[id] });
    }
  }

  /** Opens all units. */
  static open(options: DriverOptions = {}): Driver {
    const driver = new Driver(options);
    for (const unit of [UNIT.namesrv, UNIT.brokerA, UNIT.brokerB]) driver.tellFront('openUnit', unit);
    driver.settle();
    return driver;
  }

  get state(): FrontState {
    return this.cores[0].stateOf(ID.front) as FrontState;
  }

  tellFront(kind: 'openUnit' | 'closeUnit', unit: number): void {
    this.cores[0].send(ID.front, ID.front, frontMessages[kind], { unit }, 0);
  }

  /** One turn of every thread that is not held; true when anybody had something to do. */
  turn(): boolean {
    let didWork = this.network.run();
    for (const core of this.cores) if (!this.held.has(core.thread)) didWork = core.turn() || didWork;
    return didWork;
  }

  /** Takes turns until three in a row find nothing to do; a held thread may keep the front asking, so at most `turns`. */
  settle(turns = 100_000): void {
    let quiet = 0;
    for (let i = 0; i < turns && quiet < 3; i++) quiet = this.turn() ? 0 : quiet + 1;
  }

  /** Moves the clock in steps, so that timers fire when they are due. */
  advance(ms: number, stepMs = 1000): void {
    for (let left = ms; left > 0; left -= stepMs) {
      this.clock.ms += Math.min(stepMs, left);
      this.clock.wallMs += Math.min(stepMs, left);
      this.settle();
    }
  }

  heard(id: ActorId): Heard[] {
    return this.heardBy[id];
  }

  frames(id: ActorId): HeardFrame[] {
    return this.heardBy[id].filter((one): one is HeardFrame => one.kind === 'frame');
  }

  kinds(id: ActorId): string[] {
    return this.heardBy[id].map(({ kind }) => kind);
  }

  forget(): void {
    for (const heard of this.heardBy) heard.length = 0;
  }

  /** A client of a port, and the connection's id once it is announced. */
  connect(port: number): Peer {
    return this.network.client(port);
  }

  /** An actor writes to a connection. */
  write(from: ActorId, connection: number, bytes: Buffer): void {
    const core = this.cores[DIRECTORY.actors[from].thread];
    const place = core.begin(from, ID.front, frontMessages.write, { connection }, 0, bytes.length);
    bytes.copy(place.buffer, place.at);
    core.end(bytes.length);
  }

  closeByActor(from: ActorId, connection: number): void {
    this.cores[DIRECTORY.actors[from].thread].send(from, ID.front, frontMessages.close, { connection }, 0);
  }

  dial(from: ActorId, token: number, host: string, port: number, isStream?: true): void {
    const message = { token, value: isStream === undefined ? { host, port } : { host, port, isStream } };
    this.cores[DIRECTORY.actors[from].thread].send(from, ID.front, frontMessages.dial, message, 0);
  }

  /** A metric of the front, summed over series whose labels include these. */
  metric(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const wanted = Object.entries(labels);
    return new SlabReader(this.slab)
      .read()
      .filter((one) => one.name === name && wanted.every(([key, value]) => one.labels[key] === value))
      .reduce((sum, { value }) => sum + value, 0);
  }
}

/** A JSON frame: `header` as text, so that a test can say exactly what is on the wire. */
export function frame(header: string, body: Buffer = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(8 + Buffer.byteLength(header));
  bytes.writeInt32BE(bytes.length - 4 + body.length, 0);
  bytes.writeInt32BE(Buffer.byteLength(header), 4);
  bytes.write(header, 8);
  return Buffer.concat([bytes, body]);
}

/** A request with a body of that many bytes, told apart by `opaque`. */
export function request(opaque: number, bodyBytes = 0, code = 310): Buffer {
  const header = `{"code":${code},"extFields":{"topic":"T"},"flag":0,"language":"JAVA","opaque":${opaque},"version":407}`;
  return frame(header, Buffer.alloc(bodyBytes, opaque & 0xff));
}

/** What an actor should have got for a frame: all but the length word. */
export function payloadOf(whole: Buffer): Buffer {
  return whole.subarray(4);
}

export { PORT_KIND };
