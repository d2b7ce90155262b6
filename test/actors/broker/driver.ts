/**
 * A broker actor on one thread with recorders in the places of front, HA actor and queue hosts; time, disk, name servers
 * and the master are the test's to decide.
 *
 *     const broker = new BrokerDriver();
 *     const client = broker.open();
 *     const answer = broker.ask(client, RequestCode.GET_MAX_OFFSET, { topic: 'T', queueId: '0' });
 */
import * as assert from 'uvu/assert';
import { loadBrokerConfig } from '../../../config/load.js';
import type { BrokerSettings } from '../../../config/schema.js';
import { brokerActor } from '../../../src/actors/broker/broker.js';
import { brokerMessages } from '../../../src/actors/broker/messages.js';
import type { BrokerState } from '../../../src/actors/broker/state.js';
import { connectionMessages, PORT_KIND } from '../../../src/actors/front/connection-messages.js';
import { queueHostIndex } from '../../../src/actors/front/options.js';
import { frontMessages } from '../../../src/actors/front/messages.js';
import { haMessages } from '../../../src/actors/ha/messages.js';
import { type OffsetSearch, queueMessages } from '../../../src/actors/queue/messages.js';
import type { QueueHostOptions } from '../../../src/actors/queue/options.js';
import { queueHostActor } from '../../../src/actors/queue/queue-host.js';
import type { Clock } from '../../../src/base/clock.js';
import { MIB } from '../../../src/base/units.js';
import { type Command, decodeFrame, encodeFrame, Flag, type FrameParts } from '../../../src/remoting/command.js';
import { FRAME } from '../../../src/remoting/frame.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { fnv1a, RequestScan } from '../../../src/remoting/request-scan.js';
import { prng } from '../../../src/base/prng.js';
import { type ActorDefinition, actor } from '../../../src/runtime/actor.js';
import type { Directory } from '../../../src/runtime/directory.js';
import type { Kind, KindRow, MessageTable, Outgoing } from '../../../src/runtime/message.js';
import { MemoryDisk } from '../../../src/runtime/simulation/memory-disk.js';
import { Meter, SLAB_BYTES } from '../../../src/runtime/slab.js';
import { type CoreEvents, ThreadCore } from '../../../src/runtime/thread-core.js';
import { LogWindow } from '../../../src/store/log-window.js';
import { type RecoveredStore, recoverStore } from '../../../src/store/recovery.js';
import { recoverOptionsOf } from '../../../src/stores.js';

export const CONFIG_PATH = '/conf/broker-a.properties';
export const CONFIG_DIRECTORY = '/store/config';
export const BROKER_ADDRESS = '127.0.0.1:10911';
export const NAME_SERVER = '127.0.0.1:9876';

const ACTOR = { front: 0, broker: 1, ha: 2, hosts: [3, 4] } as const;
const directory: Directory = {
  threads: [{ name: 'thread', kind: 'blocking' }],
  units: [{ name: 'front' }, { name: 'broker-a' }],
  actors: [
    { name: 'front', thread: 0, unit: 0 },
    { name: 'broker-a', thread: 0, unit: 1 },
    { name: 'broker-a.ha', thread: 0, unit: 1 },
    { name: 'broker-a.queues-0', thread: 0, unit: 1 },
    { name: 'broker-a.queues-1', thread: 0, unit: 1 },
  ],
};

/** One message that a recorder got; its bytes copied. */
export interface Told {
  readonly kind: string;
  readonly fields: Readonly<Record<string, number | boolean>>;
  readonly value: unknown;
  readonly bytes: Buffer;
}

export function recorder(messages: MessageTable): ActorDefinition<Told[], MessageTable, Told[]> {
  const on = Object.keys(messages).map((kind) => [
    kind,
    (told: Told[], { source: _s, key: _k, buffer, view: _v, start, end, value, ...fields }: Record<string, never>) => {
      const bytes = buffer === undefined ? Buffer.alloc(0) : Buffer.from((buffer as Buffer).subarray(start, end));
      told.push({ kind, fields, value: structuredClone(value), bytes });
    },
  ]);
  return actor('recorder', { messages, start: (_context, told: Told[]) => told, on: Object.fromEntries(on) });
}

export interface Answered {
  readonly command: Command;
  readonly body: Buffer;
}

export interface AskOptions extends Partial<FrameParts> {
  readonly body?: Uint8Array | string;
}

/** Somebody whom the broker dials: answers requests, or keeps silent with undefined. */
export type Peer = (
  request: Answered,
) => { readonly parts?: Partial<FrameParts>; readonly body?: Buffer | string } | undefined;

export interface DriverOptions {
  /** Lines of the .properties file. */
  readonly settings?: string;
  readonly disk?: MemoryDisk;
  /** False: the broker has no file of its own, as in a packaged topology. */
  readonly hasConfigFile?: boolean;
  readonly physicalMemoryBytes?: number;
  /** Real queue hosts instead of recorders. */
  readonly hasQueueHosts?: boolean;
}

export class BrokerDriver {
  readonly front: Told[] = [];
  readonly ha: Told[] = [];
  readonly hosts: readonly [Told[], Told[]] = [[], []];
  /** `level text fields` of every line. */
  readonly logged: string[] = [];
  readonly slab = new SharedArrayBuffer(SLAB_BYTES);
  readonly meter = new Meter(this.slab);
  readonly disk: MemoryDisk;
  /** By address; others refuse to be dialed. */
  readonly peers = new Map<string, Peer>();
  /** Requests that peers got, in order. */
  readonly asked: (Answered & { readonly address: string })[] = [];
  isReady = false;
  /** After every turn that did something. */
  onTurn: () => void = () => {};
  /** What recovery found at the latest start. */
  recovered!: RecoveredStore;
  /** Between recovery and start. */
  beforeStart: () => void = () => {};
  /** What queue hosts answer when they are asked to flush; undefined: nothing yet. */
  readonly hostsSync: (boolean | undefined)[] = [true, true];
  private readonly dialed = new Map<number, string>();
  /** Of the day, where the broker is. */
  hour = 0;
  private timeMs = 1_000_000;
  private wallMs = 1.7e12;
  private readonly clock: Clock = {
    now: () => this.wallMs + this.timeMs,
    monotonic: () => this.timeMs,
    localHour: () => this.hour,
  };
  private core!: ThreadCore;
  /** Completions of syncs, called when the broker has nothing else to do. */
  private readonly synced: (() => void)[] = [];
  private opaque = 0;
  private nextConnection = 1;
  private readonly scan = new RequestScan();

  constructor(private readonly options: DriverOptions = {}) {
    this.disk =
      options.disk ?? new MemoryDisk({ clock: this.clock, schedule: (_delayMs, action) => this.synced.push(action) });
    if (this.disk.stat(CONFIG_PATH) === undefined) {
      this.disk.makeDirectory('/conf');
      this.disk.writeFile(CONFIG_PATH, options.settings ?? '');
    }
    this.peers.set(NAME_SERVER, () => ({}));
  }

  /** Recovers the store and starts the broker; its listeners are bound unless that is the test's to do. */
  start(isBound = true): this {
    const events: CoreEvents = {
      crashed: (_actor, during, error) => {
        throw new Error(`the broker crashed during ${during}`, { cause: error });
      },
      ready: (id) => {
        if (id === ACTOR.broker) this.isReady = true;
      },
      reported: () => {},
      log: (level, _actor, text, fields) => {
        this.logged.push(`${level} ${text} ${JSON.stringify(fields)}`);
      },
      ring: () => {},
    };
    const services = { disk: this.disk, network: undefined, meter: this.meter };
    const settings = this.settings();
    this.recovered = recoverStore(this.disk, recoverOptionsOf(settings));
    this.beforeStart();
    const core = new ThreadCore(0, directory, this.clock, prng(1), services, events, [], []);
    core.start(ACTOR.front, recorder(frontMessages), this.front);
    core.start(ACTOR.ha, recorder(haMessages), this.ha);
    const window =
      settings.brokerRole === 'SLAVE' ? undefined : LogWindow.create(MIB, 128 * 1024, { shared: false }).shared;
    for (const [i, told] of this.hosts.entries()) {
      if (this.options.hasQueueHosts !== true) core.start(ACTOR.hosts[i]!, recorder(queueMessages), told);
      else core.start(ACTOR.hosts[i]!, queueHostActor, this.hostOptions(settings, i, window));
    }
    this.core = core;
    core.start(ACTOR.broker, brokerActor, {
      settings,
      configPath: this.options.hasConfigFile === false ? undefined : CONFIG_PATH,
      front: ACTOR.front,
      ha: ACTOR.ha,
      queueHosts: [...ACTOR.hosts],
      window,
      localMaster: undefined,
      physicalMemoryBytes: this.options.physicalMemoryBytes ?? 1024 * MIB,
      waitsForNameServers: true,
      advertisedHost: '',
      prepared: this.recovered,
    });
    if (isBound) this.tell(connectionMessages.bound, { port: 10_911, vipPort: 10_909, haPort: 10_912 });
    return this;
  }

  private hostOptions(settings: BrokerSettings, host: number, window: QueueHostOptions['window']): QueueHostOptions {
    return {
      settings,
      unit: 'broker-a',
      host,
      front: ACTOR.front,
      broker: ACTOR.broker,
      window,
      physicalMemoryBytes: this.options.physicalMemoryBytes ?? 1024 * MIB,
    };
  }

  private settings(): BrokerSettings {
    const loaded = loadBrokerConfig(this.disk.readFile(CONFIG_PATH)!.toString(), CONFIG_PATH, {
      fallbacks: {
        brokerClusterName: 'C',
        brokerName: 'broker-a',
        brokerIP1: '127.0.0.1',
        brokerIP2: '127.0.0.1',
        namesrvAddr: NAME_SERVER,
        storePathRootDir: '/store',
        storePathCommitLog: '/store/commitlog',
        mappedFileSizeCommitLog: MIB,
        maxMessageSize: 64 * 1024,
        messageIndexEnable: false,
        autoCreateTopicEnable: true,
      },
    });
    if (!loaded.ok) throw new Error(loaded.errors.map((note) => note.text).join());
    return loaded.value.settings;
  }

  get state(): BrokerState {
    return this.core.stateOf(ACTOR.broker) as BrokerState;
  }

  /** Runs turns until nothing is left to do; peers answer meanwhile, and queue hosts say that they have flushed. */
  settle(): void {
    do {
      while (this.core.turn()) this.onTurn();
    } while (this.servePeers() || this.completeSyncs());
  }

  /** Handles what has come, while the disk keeps everybody waiting. */
  turn(): void {
    while (this.core.turn()) this.onTurn();
  }

  private completeSyncs(): boolean {
    const actions = this.synced.splice(0);
    for (const action of actions) action();
    return actions.length > 0;
  }

  private servePeers(): boolean {
    let hasServed = false;
    for (const one of this.front.filter(({ kind }) => kind === 'dial')) {
      this.front.splice(this.front.indexOf(one), 1);
      this.connectPeer(one);
      hasServed = true;
    }
    for (const one of [...this.front]) {
      const address = one.kind === 'write' ? this.dialed.get(one.fields.connection as number) : undefined;
      if (address === undefined) continue;
      this.front.splice(this.front.indexOf(one), 1);
      this.servePeer(address, one);
      hasServed = true;
    }
    for (const [i, told] of this.hosts.entries()) {
      const isSynced = this.hostsSync[i];
      const flushes = isSynced === undefined ? [] : told.filter(({ kind }) => kind === 'flush');
      for (const one of flushes) told.splice(told.indexOf(one), 1);
      if (flushes.length === 0 || !this.core.isRunning(ACTOR.broker)) continue;
      this.core.send(ACTOR.hosts[i]!, ACTOR.broker, brokerMessages.queuesFlushed, { host: i, isSynced: isSynced! }, 0);
      hasServed = true;
    }
    return hasServed;
  }

  private connectPeer({ fields, value }: Told): void {
    const { host, port } = value as { host: string; port: number };
    const token = fields.token as number;
    if (!this.peers.has(`${host}:${port}`)) {
      this.core.send(
        ACTOR.front,
        ACTOR.broker,
        connectionMessages.dialFailed,
        { token, value: { reason: 'refused' } },
        0,
      );
      return;
    }
    const connection = this.nextConnection++;
    this.dialed.set(connection, `${host}:${port}`);
    const message = { token, connection, peerActor: -1, peerConnection: 0 };
    this.core.send(ACTOR.front, ACTOR.broker, connectionMessages.dialed, message, 0);
  }

  private servePeer(address: string, { fields, bytes }: Told): void {
    const request = this.decode(bytes);
    this.asked.push({ address, ...request });
    const answer = this.peers.get(address)?.(request);
    if (answer === undefined) return;
    const { opaque } = request.command;
    const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : answer.body;
    const frame = encodeFrame({ code: 0, opaque, flag: Flag.RESPONSE, ...answer.parts }, body);
    this.post(fields.connection as number, frame);
  }

  /** The connections to a peer are gone. */
  disconnectPeer(address: string): void {
    for (const [connection, of] of [...this.dialed]) {
      if (of !== address) continue;
      this.dialed.delete(connection);
      this.tell(connectionMessages.closed, { connection });
    }
  }

  private decode(bytes: Buffer): Answered {
    const decoded = decodeFrame(this.scan, bytes);
    if (decoded.problem !== undefined) throw new Error(decoded.problem);
    return decoded;
  }

  tell<R extends KindRow>(kind: Kind<R>, message: Outgoing<R>): void {
    this.core.send(ACTOR.front, ACTOR.broker, kind, message, 0);
    this.settle();
  }

  /** What queue hosts were asked for offsets by time since the last call; each is answered with what `find` says. */
  answerSearches(find: (search: OffsetSearch) => number): OffsetSearch[] {
    const searches: OffsetSearch[] = [];
    for (const [i, told] of this.hosts.entries()) {
      for (const one of told.filter(({ kind }) => kind === 'searchOffset')) {
        told.splice(told.indexOf(one), 1);
        const search = one.value as OffsetSearch;
        searches.push(search);
        const found = { token: search.token, offset: find(search) };
        this.core.send(ACTOR.hosts[i]!, ACTOR.broker, brokerMessages.offsetFound, found, 0);
      }
    }
    this.settle();
    return searches;
  }

  /** A client connects. */
  open(remoteAddress = '10.1.1.1'): number {
    const connection = this.nextConnection++;
    this.tell(connectionMessages.opened, { connection, value: { remoteAddress, remotePort: 40_000 + connection } });
    return connection;
  }

  close(connection: number): void {
    if (this.options.hasQueueHosts === true) {
      for (const host of ACTOR.hosts) this.core.send(ACTOR.front, host, connectionMessages.closed, { connection }, 0);
    }
    this.tell(connectionMessages.closed, { connection });
  }

  /** The clock goes on in the middle of a turn, as while a disk is slow. */
  jump(ms: number): void {
    this.timeMs += ms;
  }

  /** A frame as the front hands it on: without its length word. Not handled before the next `settle`. */
  post(connection: number, frame: Uint8Array): void {
    const bytes = frame.subarray(FRAME.headerWord);
    const fields = { connection, portKind: PORT_KIND.main, receivedMs: this.clock.now() };
    const place = this.core.begin(ACTOR.front, ACTOR.broker, connectionMessages.frame, fields, 0, bytes.length);
    place.buffer.set(bytes, place.at);
    this.core.end(bytes.length);
  }

  /** Sends a frame whose header is this very text: as clients in other languages write it. */
  sendText(connection: number, header: string, body: string): void {
    const headerBytes = Buffer.from(header);
    const bodyBytes = Buffer.from(body);
    const lengths = Buffer.alloc(FRAME.header);
    lengths.writeInt32BE(4 + headerBytes.length + bodyBytes.length, FRAME.length);
    lengths.writeInt32BE(headerBytes.length, FRAME.headerWord);
    this.post(connection, Buffer.concat([lengths, headerBytes, bodyBytes]));
    this.settle();
  }

  /** Leaves a request in the mailbox until the next `settle`; returns its opaque. */
  postRequest(connection: number, code: number, ext: FrameParts['ext'] = {}, options: AskOptions = {}): number {
    const { body = '', ...parts } = options;
    const opaque = ++this.opaque;
    this.post(
      connection,
      encodeFrame({ code, opaque, ...parts, ext }, typeof body === 'string' ? Buffer.from(body) : body),
    );
    return opaque;
  }

  /** Sends a request; what came back is with `take`. */
  send(connection: number, code: number, ext: FrameParts['ext'] = {}, options: AskOptions = {}): number {
    const opaque = this.postRequest(connection, code, ext, options);
    this.settle();
    return opaque;
  }

  /** Sends a request; the answer, which has to be the only one that came back on its connection. */
  ask(connection: number, code: number, ext: FrameParts['ext'] = {}, options: AskOptions = {}): Answered {
    const opaque = this.send(connection, code, ext, options);
    const answers = this.take(connection).filter(({ command }) => (command.flag & Flag.RESPONSE) !== 0);
    assert.is(answers.length, 1, `answers to ${code}`);
    assert.is(answers[0]!.command.opaque, opaque);
    return answers[0]!;
  }

  /** A pull. */
  postPull(connection: number, ext: Readonly<Record<string, string>>): number {
    return this.postToHost(connection, RequestCode.PULL_MESSAGE, ext);
  }

  /** Sends a request to the queue host that the front would choose; it is handled in the next `settle`. */
  postToHost(connection: number, code: number, ext: Readonly<Record<string, string>>): number {
    const opaque = ++this.opaque;
    const bytes = encodeFrame({ code, opaque, ext }).subarray(FRAME.headerWord);
    const topic = Buffer.from(ext.topic!);
    const host = queueHostIndex(fnv1a(topic, 0, topic.length), Number(ext.queueId), ACTOR.hosts.length);
    const fields = { connection, portKind: PORT_KIND.main, receivedMs: this.clock.now() };
    const place = this.core.begin(ACTOR.front, ACTOR.hosts[host]!, connectionMessages.frame, fields, 0, bytes.length);
    place.buffer.set(bytes, place.at);
    this.core.end(bytes.length);
    return opaque;
  }

  /** What was written to a connection since the last call. */
  take(connection: number): Answered[] {
    const frames = this.front.filter(({ kind, fields }) => kind === 'write' && fields.connection === connection);
    for (const frame of frames) this.front.splice(this.front.indexOf(frame), 1);
    return frames.map(({ bytes }) => this.decode(bytes));
  }

  /** Groups that the connection was told to rebalance (code 40) since the last call. */
  takeNotified(connection: number): string[] {
    return this.take(connection).map(({ command }) => {
      assert.is(command.code, 40);
      assert.is(command.flag, Flag.ONE_WAY);
      return command.ext.get('consumerGroup')!;
    });
  }

  /** A queue host says something to its broker. */
  hostSays(host: 0 | 1, kind: 'stalled' | 'queueDisk', value: unknown): void {
    this.core.send(ACTOR.hosts[host], ACTOR.broker, brokerMessages[kind] as Kind, { value } as never, 0);
    this.settle();
  }

  /** What a queue host was told of one kind since the last call. */
  takeTold(host: 0 | 1, kind: string): Told[] {
    const told = this.hosts[host].filter((one) => one.kind === kind);
    for (const one of told) this.hosts[host].splice(this.hosts[host].indexOf(one), 1);
    return told;
  }

  /** The HA actor says something to its broker. */
  haSays<R extends KindRow>(kind: Kind<R>, fields: Outgoing<R>, bytes?: Uint8Array): void {
    if (bytes === undefined) this.core.send(ACTOR.ha, ACTOR.broker, kind, fields, 0);
    else {
      const place = this.core.begin(ACTOR.ha, ACTOR.broker, kind, fields, 0, bytes.length);
      place.buffer.set(bytes, place.at);
      this.core.end(bytes.length);
    }
    this.settle();
  }

  /** A queue host has forgotten what is older than the log. */
  queueCleaned(host: 0 | 1, topic: string, fields: { queueId: number; minOffset: number; filesRemoved: number }): void {
    const name = Buffer.from(topic);
    const place = this.core.begin(
      ACTOR.hosts[host]!,
      ACTOR.broker,
      brokerMessages.queueCleaned,
      fields,
      0,
      name.length,
    );
    place.buffer.set(name, place.at);
    this.core.end(name.length);
    this.settle();
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

  setClockBack(ms: number): void {
    this.wallMs -= ms;
  }

  get nowMs(): number {
    return this.clock.now();
  }

  /** Orderly stop. */
  stop(): void {
    let isDone = false;
    this.core.close(ACTOR.broker, () => {
      isDone = true;
    });
    this.settle();
    this.advance(2_000);
    assert.ok(isDone, 'the broker has closed');
  }

  /** The process is gone; the disk stays. */
  kill(): void {
    this.core.kill(1);
    this.disk.processKill();
  }

  /** A new process on the same disk. */
  restart(): this {
    for (const told of [this.front, this.ha, ...this.hosts]) told.length = 0;
    this.asked.length = 0;
    this.dialed.clear();
    this.isReady = false;
    return this.start();
  }

  /** A file of config/, parsed the strict way where it is strict JSON. */
  file(name: string): string | undefined {
    return this.disk.readFile(`${CONFIG_DIRECTORY}/${name}`)?.toString();
  }
}
