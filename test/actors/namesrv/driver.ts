/**
 * A name server actor on one thread with a recorder in the front's place; time, disk and restarts are the test's to decide.
 *
 *     const server = new NameServerDriver();
 *     const answer = server.ask(RequestCode.GET_ROUTEINFO_BY_TOPIC, { topic: 'T' });
 */
import * as assert from 'uvu/assert';
import { loadNamesrvConfig } from '../../../config/load.js';
import type { NamesrvSettings } from '../../../config/schema.js';
import { connectionMessages, PORT_KIND } from '../../../src/actors/front/connection-messages.js';
import { frontMessages } from '../../../src/actors/front/messages.js';
import type { Limits } from '../../../src/actors/namesrv/limits.js';
import { namesrvActor } from '../../../src/actors/namesrv/namesrv.js';
import type { Clock } from '../../../src/base/clock.js';
import { prng } from '../../../src/base/prng.js';
import { type Command, decodeFrame, encodeFrame, Flag, type FrameParts } from '../../../src/remoting/command.js';
import { FRAME } from '../../../src/remoting/frame.js';
import { RequestScan } from '../../../src/remoting/request-scan.js';
import { actor } from '../../../src/runtime/actor.js';
import type { Directory } from '../../../src/runtime/directory.js';
import type { Kind, KindRow, Outgoing } from '../../../src/runtime/message.js';
import { MemoryDisk } from '../../../src/runtime/simulation/memory-disk.js';
import { Meter, SLAB_BYTES } from '../../../src/runtime/slab.js';
import { type CoreEvents, ThreadCore } from '../../../src/runtime/thread-core.js';

export const CONFIG_PATH = '/conf/namesrv.properties';
export const KV_PATH = '/store/namesrv/kvConfig.json';

const FRONT = 0;
const NAMESRV = 1;
const directory: Directory = {
  threads: [{ name: 'thread', kind: 'blocking' }],
  units: [{ name: 'front' }, { name: 'namesrv-a' }],
  actors: [
    { name: 'front', thread: 0, unit: 0 },
    { name: 'namesrv-a', thread: 0, unit: 1 },
  ],
};

/** What the name server told its front. */
interface Recorded {
  readonly frames: { readonly connection: number; readonly bytes: Buffer }[];
  readonly closed: number[];
}

const unexpected = (): void => assert.unreachable('a name server writes and closes, nothing else');
const recorder = actor<Recorded, typeof frontMessages, Recorded>('recorder', {
  messages: frontMessages,
  start: (_context, recorded) => recorded,
  on: {
    write: ({ frames }, { connection, buffer, start, end }) => {
      frames.push({ connection, bytes: Buffer.from(buffer.subarray(start, end)) });
    },
    close: ({ closed }, { connection }) => {
      closed.push(connection);
    },
    dial: unexpected,
    openUnit: unexpected,
    closeUnit: unexpected,
    drain: unexpected,
  },
});

export interface Answered {
  readonly command: Command;
  readonly body: Buffer;
}

export interface AskOptions extends Partial<FrameParts> {
  readonly connection?: number;
  readonly body?: Uint8Array | string;
}

export class NameServerDriver {
  readonly recorded: Recorded = { frames: [], closed: [] };
  /** `level text fields` of every line. */
  readonly logged: string[] = [];
  readonly meter = new Meter(new SharedArrayBuffer(SLAB_BYTES));
  readonly disk: MemoryDisk;
  isReady = false;
  private timeMs = 1_000_000;
  private readonly clock: Clock = { now: () => 1.7e12 + this.timeMs, monotonic: () => this.timeMs, localHour: () => 0 };
  private core: ThreadCore;
  private opaque = 0;
  private readonly scan = new RequestScan();

  constructor(
    private readonly limits: Partial<Limits> = {},
    settings = '',
    disk?: MemoryDisk,
  ) {
    this.disk = disk ?? new MemoryDisk({ clock: this.clock, schedule: () => {} });
    if (this.disk.stat(CONFIG_PATH) === undefined) {
      this.disk.makeDirectory('/conf');
      this.disk.writeFile(CONFIG_PATH, settings);
    }
    this.core = this.start();
    this.tell(connectionMessages.bound, { port: 9876, vipPort: 0, haPort: 0 });
  }

  private start(): ThreadCore {
    const events: CoreEvents = {
      crashed: (_actor, during, error) => {
        throw new Error(`the name server crashed during ${during}`, { cause: error });
      },
      ready: () => {
        this.isReady = true;
      },
      reported: () => {},
      log: (level, _actor, text, fields) => {
        this.logged.push(`${level} ${text} ${JSON.stringify(fields)}`);
      },
      ring: () => {},
    };
    const services = { disk: this.disk, network: undefined, meter: this.meter };
    const core = new ThreadCore(0, directory, this.clock, prng(1), services, events, [], []);
    core.start(FRONT, recorder, this.recorded);
    core.start(NAMESRV, namesrvActor, {
      front: FRONT,
      unit: 'namesrv-a',
      settings: this.settings(),
      limits: this.limits,
    });
    return core;
  }

  private settings(): NamesrvSettings {
    const loaded = loadNamesrvConfig(this.disk.readFile(CONFIG_PATH)!.toString(), CONFIG_PATH, {
      fallbacks: { kvConfigPath: KV_PATH },
    });
    if (!loaded.ok) throw new Error(loaded.errors.map((note) => note.text).join());
    return loaded.value.settings;
  }

  /** Runs turns until nothing is left to do. */
  settle(): void {
    while (this.core.turn());
  }

  tell<R extends KindRow>(kind: Kind<R>, message: Outgoing<R>): void {
    this.core.send(FRONT, NAMESRV, kind, message, 0);
    this.settle();
  }

  /** A frame as the front hands it on: without its length word. Not handled before the next `settle`. */
  post(connection: number, frame: Uint8Array): void {
    const bytes = frame.subarray(FRAME.headerWord);
    const fields = { connection, portKind: PORT_KIND.main, receivedMs: this.clock.now() };
    const place = this.core.begin(FRONT, NAMESRV, connectionMessages.frame, fields, 0, bytes.length);
    place.buffer.set(bytes, place.at);
    this.core.end(bytes.length);
  }

  /** Leaves a request in the mailbox until the next `settle`. */
  postRequest(code: number, ext: NonNullable<FrameParts['ext']>): void {
    this.post(1, encodeFrame({ code, opaque: ++this.opaque, ext }));
  }

  /** Sends a request; what came back is in `recorded`. */
  send(code: number, ext: FrameParts['ext'] = {}, options: AskOptions = {}): number {
    const { connection = 1, body = '', ...parts } = options;
    const opaque = ++this.opaque;
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    this.post(connection, encodeFrame({ code, opaque, ...parts, ...(ext === undefined ? {} : { ext }) }, bytes));
    this.settle();
    return opaque;
  }

  /** Sends a request; the answer, which has to be the only thing that came back. */
  ask(code: number, ext: FrameParts['ext'] = {}, options: AskOptions = {}): Answered {
    assert.is(this.recorded.frames.length, 0, 'answers that nobody looked at');
    const opaque = this.send(code, ext, options);
    const [answer, ...more] = this.take();
    assert.is(more.length, 0);
    assert.ok(answer !== undefined, `no answer to ${code}`);
    assert.is(answer.connection, options.connection ?? 1);
    assert.is(answer.command.opaque, opaque);
    assert.is(answer.command.flag, Flag.RESPONSE);
    return answer;
  }

  /** The answers since the last call. */
  take(): (Answered & { readonly connection: number })[] {
    return this.recorded.frames.splice(0).map(({ connection, bytes }) => {
      const decoded = decodeFrame(this.scan, bytes);
      if (decoded.problem !== undefined) throw new Error(decoded.problem);
      return { connection, ...decoded };
    });
  }

  open(connection: number): void {
    this.tell(connectionMessages.opened, { connection, value: { remoteAddress: '10.1.1.1', remotePort: connection } });
  }

  close(connection: number): void {
    this.tell(connectionMessages.closed, { connection });
  }

  /** Time passes in steps, so that timers fire when they are due. */
  advance(ms: number): void {
    const end = this.timeMs + ms;
    for (let due = this.core.timers.nextDueMs(); due !== undefined && due <= end; due = this.core.timers.nextDueMs()) {
      this.timeMs = Math.max(this.timeMs, due);
      this.settle();
    }
    this.timeMs = end;
    this.settle();
  }

  /** Orderly stop. */
  stop(): void {
    let isDone = false;
    this.core.close(NAMESRV, () => {
      isDone = true;
    });
    this.settle();
    assert.ok(isDone);
  }

  /** A new process on the same disk. */
  restart(): void {
    this.recorded.frames.length = 0;
    this.isReady = false;
    this.core = this.start();
    this.tell(connectionMessages.bound, { port: 9876, vipPort: 0, haPort: 0 });
  }

  /** For checks of its tables. */
  get state(): unknown {
    return this.core.stateOf(NAMESRV);
  }

  /** Value of a series, 0 when nobody counted in it. */
  counted(name: string, labels: Readonly<Record<string, string>>): number {
    return this.meter.values[this.meter.series(name, labels)]!;
  }
}
