/**
 * Hosts the queue actors of one broker on one thread: finds (or starts) the one that a pull or a dispatch is for, and
 * keeps what they share: the replica of the broker's tables, open files, the log reader, the table of held pulls.
 */
import { DiskError } from '../../base/disk.js';
import { diskErrorFacts, withRemedy } from '../../base/disk-remedy.js';
import { ENTRY, entryEnd, entryOffset } from '../../store/consume-queue-entry.js';
import { FileCache } from '../../store/file-cache.js';
import { LogReader } from '../../store/log-reader.js';
import { LogWindow } from '../../store/log-window.js';
import { QuickReads } from '../../store/quick-reads.js';
import { HeaderKey, RequestScan } from '../../remoting/request-scan.js';
import { headerBytes, headerSerialization } from '../../remoting/frame.js';
import { RequestCode } from '../../remoting/request-codes.js';
import { ResponseCode } from '../../remoting/response-codes.js';
import { ResponseWriter } from '../../remoting/response-writer.js';
import { readStoreTimestamp } from '../../message/record.js';
import { actor, type Context } from '../../runtime/actor.js';
import type { MessageOf } from '../../runtime/message.js';
import { brokerMessages } from '../broker/messages.js';
import { FlowControl } from '../flow-control.js';
import { frontMessages } from '../front/messages.js';
import { destroy, onCleanQueue, onLogRange, onQueueGone } from './clean-up.js';
import { HostCounters } from './counters.js';
import { FilterCache, RecordProperties } from './filters.js';
import { Selection } from './get-messages.js';
import { Deferred } from './deferred.js';
import { attempt, beginStall, onFlush, onResume, troubleOver, tryHeld } from './disk-trouble.js';
import type { HostState } from './host-state.js';
import { queueMessages } from './messages.js';
import type { QueueHostOptions } from './options.js';
import { release } from './held.js';
import { wakeHeld } from './wake.js';
import { onPull } from './pull.js';
import { PullKey, PullRequest } from './pull-request.js';
import type { Queue } from './queue.js';
import { allQueues, fallAsleep, findQueue, findQueueByBytes } from './queues.js';
import { onReadEntries } from './read-entries.js';
import { refuse, respond } from './refuse.js';
import { Replica } from './replica.js';

type Message<K extends keyof typeof queueMessages> = MessageOf<typeof queueMessages, K>;

/** How often held pulls are looked through for those whose time is over. */
const HOLD_SWEEP_MS = 200;
const IDLE_SWEEP_MS = 5_000;
/** Queues that go to sleep in one sweep; the others do in the next ones. */
const RELEASED_PER_SWEEP = 4_096;
/** As often as the broker takes samples of what pulls did. */
const REPORT_MS = 1_000;

export const queueHostActor = actor('queue-host', {
  messages: queueMessages,
  start,
  on: {
    frame: onFrame,
    opened: () => undefined,
    closed: onClosed,
    dialed: () => undefined,
    dialFailed: () => undefined,
    bound: () => undefined,
    dispatch: onDispatch,
    logRange: onLogRange,
    cleanQueue: onCleanQueue,
    queueGone: onQueueGone,
    topic: (state: HostState, m: Message<'topic'>) => {
      state.replica.setTopic(m.value);
      state.deferred.hasReplicaChanged = true;
    },
    topicDeleted: (state: HostState, m: Message<'topicDeleted'>) => onTopicDeleted(state, m.value),
    group: (state: HostState, m: Message<'group'>) => {
      state.replica.setGroup(m.value);
      state.deferred.hasReplicaChanged = true;
      if (m.value.settings === undefined) state.deferred.deny(m.value.group);
    },
    broker: (state: HostState, m: Message<'broker'>) => {
      state.replica.broker = m.value;
      state.selection.limits = m.value;
    },
    flush: onFlush,
    searchOffset: onBrokerSearch,
    resume: onResume,
    behind: (state: HostState, m: Message<'behind'>) => {
      state.lagBegun = m.lag;
    },
    caughtUp: (state: HostState, m: Message<'caughtUp'>) => {
      // Of before the stall: what it promises was dropped.
      if (state.stall === undefined) state.lagOver = m.lag;
    },
    readEntries: onReadEntries,
  },
  endOfBatch,
  close: (state: HostState, done: () => void) => {
    for (const queue of allQueues(state)) attempt(state, () => queue.entries.close());
    done();
  },
});

function start(context: Context, options: QueueHostOptions): HostState {
  const { settings } = options;
  const directory = settings.storePathCommitLog;
  const window = options.window === undefined ? undefined : LogWindow.attach(options.window);
  const reader = new LogReader(context.disk, {
    directory,
    fileBytes: settings.mappedFileSizeCommitLog,
    window,
    cacheBytes: settings.coldReadBytes,
    isMemory: settings.storeKind === 'memory',
  });
  const filters = new FilterCache();
  const properties = new RecordProperties(reader);
  const state: HostState = {
    context,
    options,
    replica: new Replica(settings, filters),
    queues: new Map(),
    files: new FileCache(context.disk),
    quickReads: new QuickReads(context.clock.monotonic()),
    reader,
    filters,
    properties,
    logMin: 0,
    logEnd: 0,
    lagBegun: 0,
    lagOver: 0,
    dirty: new Set(),
    awake: new Set(),
    syncing: undefined,
    hasLostSync: false,
    stall: undefined,
    stalls: 0,
    hasToldTrouble: false,
    heldByConnection: new Map(),
    heldCount: 0,
    coldCount: 0,
    heldTags: 0,
    woken: [],
    deferred: new Deferred(),
    counters: new HostCounters(context.meter, options.unit, options.host),
    flow: new FlowControl(context, context.meter, options.unit, queueMessages.frame),
    scan: new RequestScan(),
    writer: new ResponseWriter(),
    request: new PullRequest(),
    selection: new Selection(settings, options.physicalMemoryBytes, properties),
  };
  const every = (periodMs: number, run: (state: HostState) => void): void => {
    const again = (): void => {
      run(state);
      context.after(periodMs, again);
    };
    context.after(periodMs, again);
  };
  every(HOLD_SWEEP_MS, sweepHeld);
  every(settings.flushIntervalConsumeQueue, writeBehind);
  every(IDLE_SWEEP_MS, releaseIdle);
  every(REPORT_MS, reportPulls);
  context.ready();
  return state;
}

// ---- requests

function onFrame(state: HostState, m: Message<'frame'>): void {
  if (m.receivedMs < state.flow.suspectBefore && isRefused(state, m)) return;
  if (tryFrame(state, m.connection, m.buffer, m.view, m.start, true)) return;
  if (state.deferred.add(state, m.connection, m.buffer, m.start, m.end)) return;
  tryFrame(state, m.connection, m.buffer, m.view, m.start, false);
}

/** It is a pull that has waited too long. */
function isRefused(state: HostState, { connection, receivedMs, buffer, view, start }: Message<'frame'>): boolean {
  const { flow, replica, scan, counters } = state;
  const refusal = flow.refusal(replica.broker, RequestCode.PULL_MESSAGE, receivedMs);
  if (refusal === undefined) return false;
  const headerWord = view.getInt32(start);
  const headerEnd = start + 4 + headerBytes(headerWord);
  const isRead = scan.scan(buffer, view, start + 4, headerEnd, headerSerialization(headerWord));
  if (!isRead || scan.isResponse || scan.code !== RequestCode.PULL_MESSAGE) return false;
  counters.requests.request(scan.code);
  flow.count(refusal.reason);
  refuse(state, connection, ResponseCode.SYSTEM_BUSY, refusal.remark);
  return true;
}

/** Like handleFrame; what the disk cannot give is refused with the reason. */
function tryFrame(
  state: HostState,
  connection: number,
  buffer: Buffer,
  view: DataView,
  start: number,
  mayWait: boolean,
): boolean {
  try {
    return handleFrame(state, connection, buffer, view, start, mayWait);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    refuse(state, connection, ResponseCode.SYSTEM_ERROR, withRemedy(error));
    return true;
  }
}

/** False when the request should be tried again after the replica has changed. */
function handleFrame(
  state: HostState,
  connection: number,
  buffer: Buffer,
  view: DataView,
  start: number,
  mayWait: boolean,
): boolean {
  const { scan } = state;
  const headerWord = view.getInt32(start);
  const headerEnd = start + 4 + headerBytes(headerWord);
  if (!scan.scan(buffer, view, start + 4, headerEnd, headerSerialization(headerWord))) {
    state.context.log.warn('unreadable request header', { connection, problem: scan.problem, at: scan.problemAt });
    state.context.send(state.options.front, frontMessages.close, { connection });
    return true;
  }
  if (scan.isResponse) return true;
  if (mayWait) state.counters.requests.request(scan.code);
  switch (scan.code) {
    case RequestCode.PULL_MESSAGE:
      return onPull(state, connection, mayWait);
    case RequestCode.SEARCH_OFFSET_BY_TIMESTAMP:
      onSearchOffset(state, connection);
      return true;
    case RequestCode.GET_EARLIEST_MSG_STORETIME:
      onEarliest(state, connection);
      return true;
    default:
      refuse(state, connection, ResponseCode.REQUEST_CODE_NOT_SUPPORTED, ` request type ${scan.code} not supported`);
      return true;
  }
}

const TIMESTAMP = new HeaderKey('timestamp');

/** The queue that topic and queueId of the request name, undefined for a topic that is not there; 'refused' is answered. */
function queueOfRequest(state: HostState, connection: number): Queue | 'refused' | undefined {
  const { scan } = state;
  const topicAt = scan.findKey(PullKey.topic);
  const queueAt = scan.findKey(PullKey.queueId);
  const queueId = scan.int(queueAt, 0);
  const problem =
    scan.fault >= 0
      ? scan.faultText()
      : topicAt < 0 || queueAt < 0
        ? 'the header field <topic> or <queueId> is missing'
        : queueId < 0
          ? `queueId[${queueId}] is negative: queue ids are 0 and above`
          : undefined;
  if (problem !== undefined) {
    refuse(state, connection, ResponseCode.SYSTEM_ERROR, problem);
    return 'refused';
  }
  const topic = state.replica.topics.find(scan, topicAt);
  return topic === undefined ? undefined : findQueue(state, topic, queueId);
}

function onSearchOffset(state: HostState, connection: number): void {
  const timestampAt = state.scan.findKey(TIMESTAMP);
  if (timestampAt < 0) {
    return refuse(state, connection, ResponseCode.SYSTEM_ERROR, 'the header field <timestamp> is missing');
  }
  // Tools send Long.MAX_VALUE for the end.
  const timestamp = state.scan.time(timestampAt, 0);
  const queue = queueOfRequest(state, connection);
  if (queue === 'refused') return;
  const offset = queue === undefined ? 0 : searchOffset(state, queue, timestamp);
  respond(state, connection, ResponseCode.SUCCESS, undefined, { offset: String(offset) });
}

/** The same for the broker actor. */
function onBrokerSearch(state: HostState, { value }: Message<'searchOffset'>): void {
  const { topic: name, queueId, timestamp, token } = value;
  const { context, options, replica } = state;
  const topic = replica.topics.get(name);
  try {
    const offset = topic === undefined ? 0 : searchOffset(state, findQueue(state, topic, queueId), timestamp);
    context.send(options.broker, brokerMessages.offsetFound, { token, offset });
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    context.send(options.broker, brokerMessages.searchFailed, { value: { token, error: diskErrorFacts(error) } });
  }
}

function searchOffset(state: HostState, queue: Queue, timestamp: number): number {
  return queue.entries.offsetByTime(timestamp, (at, sizeBytes) => storeTimeOf(state, at, sizeBytes));
}

function onEarliest(state: HostState, connection: number): void {
  const queue = queueOfRequest(state, connection);
  if (queue === 'refused') return;
  const timestamp = queue === undefined ? -1 : earliestTime(state, queue);
  respond(state, connection, ResponseCode.SUCCESS, undefined, { timestamp: String(timestamp) });
}

/** Store time of the first message, or -1. */
function earliestTime(state: HostState, { entries }: Queue): number {
  const entry = new Uint8Array(ENTRY.bytes);
  const view = new DataView(entry.buffer);
  if (entries.read(entries.minOffset, 1, entry, 0) !== 1) return -1;
  return storeTimeOf(state, view.getInt32(0) * 2 ** 32 + view.getUint32(4), view.getInt32(ENTRY.sizeBytes));
}

const RECORD_HEAD_BYTES = 112;
const recordHead = Buffer.alloc(RECORD_HEAD_BYTES);
const recordHeadView = new DataView(recordHead.buffer, recordHead.byteOffset, RECORD_HEAD_BYTES);

/** Store time of the record there, or -1. */
function storeTimeOf(state: HostState, commitLogOffset: number, sizeBytes: number): number {
  const bytes = Math.min(sizeBytes, RECORD_HEAD_BYTES);
  return state.reader.read(commitLogOffset, bytes, recordHead, 0) ? readStoreTimestamp(recordHeadView, 0) : -1;
}

function onClosed(state: HostState, m: Message<'closed'>): void {
  const held = state.heldByConnection.get(m.connection);
  if (held !== undefined) for (const one of [...held]) release(state, one);
  state.deferred.closed(m.connection);
}

// ---- what the broker says

function onDispatch(state: HostState, m: Message<'dispatch'>): void {
  const topicAt = m.start + 1;
  const topicBytes = m.buffer[m.start]!;
  const entriesAt = topicAt + topicBytes;
  if (state.stall !== undefined) {
    state.stall.from = Math.min(state.stall.from, entryOffset(m.buffer, entriesAt));
    return;
  }
  try {
    const queue = findQueueByBytes(state, m.key, m.buffer, topicAt, topicBytes, m.queueId);
    if (!queue.isDirty) {
      queue.isDirty = true;
      state.dirty.add(queue);
    }
    queue.entries.append(m.buffer, entriesAt, m.count, m.firstQueueOffset);
    queue.lastUsedMs = state.context.clock.monotonic();
    state.logEnd = Math.max(state.logEnd, entryEnd(m.buffer, entriesAt + (m.count - 1) * ENTRY.bytes));
    if (queue.held.size > 0) wakeHeld(state, queue, m.buffer, entriesAt, m.count);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    beginStall(state, entryOffset(m.buffer, entriesAt), diskErrorFacts(error));
  }
}

function onTopicDeleted(state: HostState, { topic, end }: { readonly topic: string; readonly end: number }): void {
  state.replica.topics.delete(topic);
  for (const queue of [...allQueues(state)]) {
    if (queue.topic === topic && queue.entries.maxPhysicalOffset <= end) destroy(state, queue);
  }
}

// ---- periodic work

function endOfBatch(state: HostState): void {
  state.deferred.retry(state, handleFrame);
  answerWoken(state);
  state.flow.endOfBatch();
}

/** Answers while the front takes answers; the rest follows when it does again. */
function answerWoken(state: HostState): void {
  const { woken, context, options } = state;
  if (woken.length === 0) return;
  let next = 0;
  for (; next < woken.length && context.isOpen(options.front, 'reply'); next++) {
    const held = woken[next]!;
    if (held.isHeld) tryHeld(state, held);
  }
  state.woken = next === woken.length ? [] : woken.slice(next);
  if (state.woken.length > 0) context.onceOpen(options.front, 'reply', () => answerWoken(state));
}

function sweepHeld(state: HostState): void {
  const nowMs = state.context.clock.monotonic();
  for (const held of state.heldByConnection.values()) {
    for (const one of held) {
      if (one.untilMs <= nowMs) one.wake();
    }
  }
}

function writeBehind(state: HostState): void {
  let isWritten = true;
  for (const queue of state.dirty) {
    if (queue.entries.bufferedEntries === 0) continue;
    isWritten = attempt(state, () => queue.entries.flush()) && isWritten;
  }
  if (isWritten) troubleOver(state);
}

/** What nobody used for a while is given back: readers' blocks of old messages, queues' buffers and file handles. */
function releaseIdle(state: HostState): void {
  state.reader.cold.blocks.dropIfUnused();
  const idleSinceMs = state.context.clock.monotonic() - state.options.settings.queueIdleSeconds * 1000;
  let released = 0;
  for (const queue of state.awake) {
    if (queue.lastUsedMs >= idleSinceMs) continue;
    if (attempt(state, () => queue.entries.release())) fallAsleep(state, queue);
    if (++released === RELEASED_PER_SWEEP) break;
  }
  state.files.writeBehind.trimIfUnused();
}

function reportPulls(state: HostState): void {
  const { context, options, counters, reader, flow } = state;
  counters.coldBytes.add(reader.cold.readBytes);
  reader.cold.readBytes = 0;
  const { found, missed, messages } = counters;
  const waiting = state.deferred.length + state.coldCount;
  if (found === 0 && missed === 0 && waiting === 0 && !counters.hasToldWaiting) return;
  const { headWaitMs } = flow;
  const { host } = options;
  context.send(options.broker, brokerMessages.pulled, { host, found, missed, messages, waiting, headWaitMs });
  counters.hasToldWaiting = waiting > 0 || headWaitMs > 0;
  const got = counters.takeGot();
  if (got.length > 0) context.send(options.broker, brokerMessages.got, { value: got });
  counters.found = 0;
  counters.missed = 0;
  counters.messages = 0;
}
