/**
 * One name server: takes registrations of brokers, answers which brokers serve a topic, keeps the KV configuration. It asks
 * nobody anything, so two of them know of each other as little as Apache's do.
 *
 * A broker is gone when the connection that it last registered by closes, or after 120 s without a registration. What
 * has to survive a restart is the KV configuration; routes come back with the next registrations.
 */
import { invariant } from '../../base/invariant.js';
import { DiskError } from '../../base/disk.js';
import { MS_PER_SECOND } from '../../base/units.js';
import type { NamesrvSettings } from '../../../config/schema.js';
import { Gauge } from '../../../metrics/meter.js';
import { HEADER_LENGTH_MASK, headerBytes, headerSerialization, type Serialization } from '../../remoting/frame.js';
import { RequestScan } from '../../remoting/request-scan.js';
import { ResponseCode } from '../../remoting/response-codes.js';
import { maxResponseBytes, ResponseWriter } from '../../remoting/response-writer.js';
import { type ActorId, actor, type Context, type MessageOf } from '../../runtime/actor.js';
import { messageTable } from '../../runtime/message.js';
import { connectionRows } from '../front/connection-messages.js';
import { frontMessages } from '../front/messages.js';
import { type Answer, fail, type Request } from './answer.js';
import { KvConfig } from './kv-config.js';
import { defaultLimits, type Limits } from './limits.js';
import { type NameServer, processors, unsupported } from './processors.js';
import { RequestCounters } from '../request-counters.js';
import { RouteCache } from './route-cache.js';
import { RouteTable } from './route-table.js';
import { SettingsFile } from './settings-file.js';

export interface NamesrvOptions {
  /** Where answers go. */
  readonly front: ActorId;
  /** Name of the unit in metrics and messages: `namesrv-a`. */
  readonly unit: string;
  readonly settings: NamesrvSettings;
  /** Bounds other than the default ones, for tests. */
  readonly limits?: Partial<Limits>;
}

export const messages = messageTable(connectionRows);

/** Source: NamesrvController, scanNotActiveBroker. */
const FIRST_SCAN_MS = 5 * MS_PER_SECOND;
const SCAN_MS = 10 * MS_PER_SECOND;

const NO_BODY = Buffer.alloc(0);

/** The header word in front of every frame that the front hands on. */
const HEADER_WORD_BYTES = 4;

interface State extends NameServer {
  readonly context: Context;
  readonly front: ActorId;
  readonly limits: Limits;
  readonly scan: RequestScan;
  readonly writer: ResponseWriter;
  /** `host:port` by connection; the front bounds how many there are (maxConnections). */
  readonly peers: Map<number, string>;
  /** Answers that leave at the end of the turn, when the KV configuration is on disk; no more than frames of one turn. */
  waiting: { readonly to: ReplyTo; readonly answer: Answer }[];
  isSaveWanted: boolean;
  readonly counters: RequestCounters;
  readonly gauges: Gauges;
}

/** Levels of the tables. */
interface Gauges {
  readonly topics: Gauge;
  readonly brokers: Gauge;
  readonly routeCacheBytes: Gauge;
}

/** What of a request its answer needs. */
interface ReplyTo {
  readonly connection: number;
  readonly serialization: Serialization;
  readonly opaque: number;
  /** Name of the request code in metrics. */
  readonly code: number;
}

export const namesrvActor = actor<State, typeof messages, NamesrvOptions>('namesrv', {
  messages,
  start,
  on: {
    frame: onFrame,
    opened: (state, { connection, value }) => {
      state.peers.set(connection, `${value.remoteAddress}:${value.remotePort}`);
    },
    closed: onClosed,
    bound: ({ context }) => context.ready(),
    dialed: neverDials,
    dialFailed: neverDials,
  },
  endOfBatch,
  close,
});

function start(context: Context, options: NamesrvOptions): State {
  const { front, unit, settings } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const kv = KvConfig.load(context.disk, settings.kvConfigPath, unit, limits, context.log);
  const routes = new RouteTable(limits);
  const peers = new Map<number, string>();
  const state: State = {
    context,
    front,
    log: context.log,
    limits,
    routes,
    routeCache: new RouteCache(routes, kv.table, limits.routeCacheBytes),
    kv,
    settings: new SettingsFile(context.disk, context.log, settings),
    nowMs: () => context.clock.monotonic(),
    peer: (connection) => peers.get(connection) ?? 'a connection of this process',
    scan: new RequestScan(),
    writer: new ResponseWriter(),
    peers,
    waiting: [],
    isSaveWanted: false,
    counters: new RequestCounters(context.meter, unit),
    gauges: makeGauges(context, unit),
  };
  context.after(FIRST_SCAN_MS, () => scanBrokers(state));
  return state;
}

function makeGauges({ meter }: Context, unit: string): Gauges {
  const named = (name: string): Gauge => new Gauge(meter.values, meter.series(name, { unit }));
  return {
    topics: named('hangar_namesrv_topics'),
    brokers: named('hangar_namesrv_brokers'),
    routeCacheBytes: named('hangar_namesrv_route_cache_bytes'),
  };
}

function onFrame(state: State, message: MessageOf<typeof messages, 'frame'>): void {
  const { scan } = state;
  const { connection, buffer, view, start: wordAt, end } = message;
  const headerWord = view.getInt32(wordAt);
  const headerAt = wordAt + HEADER_WORD_BYTES;
  const bodyAt = headerAt + headerBytes(headerWord);
  invariant(bodyAt <= end, 'the front checks header lengths', headerWord & HEADER_LENGTH_MASK, end - headerAt);
  if (!scan.scan(buffer, view, headerAt, bodyAt, headerSerialization(headerWord))) {
    // As Apache: nothing behind such a header can be trusted.
    state.log.warn('connection closed', { peer: state.peer(connection), because: scan.problem, at: scan.problemAt });
    state.context.send(state.front, frontMessages.close, { connection });
    return;
  }
  // A name server asks nothing, so nobody has anything to answer.
  if (scan.isResponse) return;
  const handler = processors.get(scan.code);
  const code = handler === undefined ? UNSUPPORTED : scan.code;
  state.counters.request(code);
  // Copied: what is kept of a body must not hold the ring's memory, and inflating needs ordinary memory.
  const body = bodyAt === end ? NO_BODY : Buffer.from(buffer.subarray(bodyAt, end));
  const request: Request = { scan, connection, body };
  const answer = handler === undefined ? unsupported(scan.code) : handler(state, request);
  if (answer.needsSavedKv) state.isSaveWanted = true;
  if (scan.isOneWay) return;
  const to: ReplyTo = { connection, serialization: scan.serialization, opaque: scan.opaque, code };
  if (answer.needsSavedKv) state.waiting.push({ to, answer });
  else respond(state, to, answer);
}

/** Counts requests that no name server knows, brokers' codes among them: one series, whatever clients send. */
const UNSUPPORTED = -1;

function onClosed(state: State, { connection }: MessageOf<typeof messages, 'closed'>): void {
  for (const brokerAddr of state.routes.closed(connection)) {
    state.log.warn('broker removed, its connection is closed', { brokerAddr, peer: state.peer(connection) });
  }
  state.peers.delete(connection);
}

function neverDials(): void {
  invariant(false, 'a name server dials nobody');
}

function scanBrokers(state: State): void {
  const { context, routes, front } = state;
  for (const { address, connection } of routes.expire(state.nowMs())) {
    context.log.warn('broker removed, it has not registered for 120 s', { brokerAddr: address });
    context.send(front, frontMessages.close, { connection });
  }
  // A save that failed is tried again, so that it does not wait for the next change.
  saveKv(state);
  context.after(SCAN_MS, () => scanBrokers(state));
}

function endOfBatch(state: State): void {
  const { gauges, routes } = state;
  gauges.topics.set(routes.topics.size);
  gauges.brokers.set(routes.live.size);
  gauges.routeCacheBytes.set(state.routeCache.usedBytes);
  if (state.isSaveWanted) answerSaved(state);
}

/** One write for all changes of the turn. */
function answerSaved(state: State): void {
  const { waiting } = state;
  state.isSaveWanted = false;
  state.waiting = [];
  const problem = saveKv(state);
  for (const { to, answer } of waiting) {
    respond(state, to, problem === undefined ? answer : fail(ResponseCode.SYSTEM_ERROR, problem));
  }
}

/** Answers what to tell those who wait for it, or undefined when it is saved. */
function saveKv(state: State): string | undefined {
  if (state.kv.isSaved) return undefined;
  try {
    state.kv.save();
    return undefined;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    state.log.error('KV configuration not saved', { because: error.message });
    return `the change is in effect, but a restart would lose it, because it cannot be saved: ${error.message}`;
  }
}

function respond(state: State, to: ReplyTo, answer: Answer): void {
  const { context, front, writer, limits } = state;
  const { fields, body } = answer;
  let valueBytes = 0;
  for (const [, value] of fields) valueBytes += Buffer.byteLength(value);
  const maxBytes = maxResponseBytes(fields.length, valueBytes, answer.remark, body.length);
  if (maxBytes > limits.responseBytes) {
    const remark = `the answer has ${body.length} bytes and does not fit into a frame: ask for less, or delete unused entries`;
    respond(state, to, fail(ResponseCode.SYSTEM_ERROR, remark));
    return;
  }
  if (answer.code !== ResponseCode.SUCCESS) state.counters.error(to.code, answer.code);
  const place = context.begin(front, frontMessages.write, { connection: to.connection }, 0, maxBytes);
  writer.begin(place.buffer, place.view, place.at, to.serialization, answer.code, to.opaque);
  for (const [name, value] of fields) writer.fieldText(name, value);
  writer.remark(answer.remark);
  place.buffer.set(body, writer.endHeader());
  context.end(writer.finish(body.length));
}

function close(state: State, done: () => void): void {
  saveKv(state);
  done();
}
