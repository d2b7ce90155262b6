/**
 * One broker, master or slave: the only writer of its commit log, owner of its topic, group, offset and client tables,
 * and of every answer that waits for a flush or a slave.
 *
 * A batch: frames are handled one by one, records encoded into the log's window; at its end one file write, then entries
 * to the queue hosts, the notice to the HA actor, and the answers that are due. Nothing is told before it is written.
 */
import { StartError } from '../../base/start-error.js';
import { DiskError } from '../../base/disk.js';
import { diskErrorFacts, withRemedy } from '../../base/disk-remedy.js';
import { MIB } from '../../base/units.js';
import { bloomFilter } from '../../filter/bloom.js';
import { encodeHost } from '../../message/host.js';
import { PropertyScan } from '../../message/properties.js';
import { decodeCommand } from '../../remoting/command.js';
import { headerBytes, headerSerialization } from '../../remoting/frame.js';
import { RequestCode } from '../../remoting/request-codes.js';
import { RequestScan } from '../../remoting/request-scan.js';
import { ResponseCode } from '../../remoting/response-codes.js';
import { ResponseWriter } from '../../remoting/response-writer.js';
import { actor, type Context } from '../../runtime/actor.js';
import type { MessageOf } from '../../runtime/message.js';
import { Checkpoint } from '../../store/checkpoint.js';
import { CommitLog } from '../../store/commit-log.js';
import { FileCache } from '../../store/file-cache.js';
import { stopUnindexed } from '../../store/index-rebuild.js';
import { IndexService } from '../../store/index-service.js';
import { LogFlusher } from '../../store/log-flusher.js';
import { LogReader } from '../../store/log-reader.js';
import { LogWindow } from '../../store/log-window.js';
import type { RecoveredStore } from '../../store/recovery.js';
import { createAbortFile, removeAbortFile, storePath } from '../../store/store-directory.js';
import { markUnsynced } from '../../store/unsynced-mark.js';
import { FlowControl } from '../flow-control.js';
import { frontMessages } from '../front/messages.js';
import { haMessages } from '../ha/messages.js';
import { expireAnswers, refuseUnwritten, releaseAnswers, respond, sendBytes, withCode } from './sends/answers.js';
import { onConnectionClosed, scanExpired } from './peers/client-events.js';
import { ClientRegistry } from './peers/clients.js';
import { ConfigFiles } from './tables/config-files.js';
import { Configuration } from './tables/configuration.js';
import { Counters } from './statistics/counters.js';
import { startTopics } from './tables/create-topic.js';
import { checkDisk } from './store/disk-check.js';
import { Dispatcher } from './store/dispatcher.js';
import { EntryQueries } from './lookups/entry-queries.js';
import { KeySearches } from './lookups/key-searches.js';
import { FilterTable } from './tables/filter-table.js';
import { FlushGroups } from './sends/flush-groups.js';
import { FlushMarks } from './store/flush-marks.js';
import { GroupTable } from './tables/group-table.js';
import { wantGroup } from './tables/groups.js';
import { tellHa, tellLogRange } from './store/log-range.js';
import { checkMaster } from './replication/master-check.js';
import { brokerMessages, EntryReader } from './messages.js';
import { writeOffsetMovedEvent } from './sends/offset-moved.js';
import { OffsetSearches } from './lookups/offset-searches.js';
import { OffsetTable } from './tables/offset-table.js';
import type { BrokerOptions } from './options.js';
import { handleRequest } from './processors/index.js';
import { IndexCatchUp } from './store/index-catch-up.js';
import { ItemStatistics } from './statistics/item-statistics.js';
import { QueueLocks } from './tables/queue-locks.js';
import { QueueSync } from './store/queue-sync.js';
import { Registration } from './peers/registration.js';
import { Remote } from './peers/remote.js';
import { pushAll } from './tables/replica.js';
import { Replication } from './replication/replicate.js';
import { Schedule } from './schedule/schedule.js';
import { Retention } from './store/retention.js';
import { onSend } from './sends/send.js';
import { SlaveSync } from './replication/slave-sync.js';
import { BrokerStats } from './statistics/stats.js';
import type { BrokerState, Connection } from './state.js';
import { StoreFaults } from './store/store-faults.js';
import { DISK_RETRY_MS, noteLog, onQueueDisk, onStalled, retryDisk } from './store/store-health.js';
import { NewMessage } from './sends/store-message.js';
import { TransactionChecks } from './transactions/checks.js';
import { TopicTable } from './tables/topic-table.js';
import { type Release, WaitingAnswers } from './sends/waiting-answers.js';

type Message<K extends keyof typeof brokerMessages> = MessageOf<typeof brokerMessages, K>;

/** How often answers that wait are looked through for those whose time is over. */
const EXPIRE_MS = 50;
/** So often, because the other members of a group that loses one should know soon. */
const CLIENT_SCAN_MS = 1_000;
const LOCK_SWEEP_MS = 10_000;
/** For the consume queues, at an orderly stop: all of it is to take at most 5 s. */
const CLOSE_SYNC_MS = 2_000;
/** Source: CommitLog.java (GroupCommitService waits 10 ms for requests, then flushes whatever there is). */
const FOLLOWER_FLUSH_MS = 10;
const CLOSE_RETRY_MS = 20;
/** An index that lacks no more than the keys of so many bytes is completed before the stop, within that time. */
const CLOSE_INDEX_BYTES = 256 * MIB;
const DISK_CHECK_MS = 10_000;
const GAUGES_MS = 1_000;
/** How far behind the log's end a message is decides what a pull gets of it; that need not be exact. */
const LOG_RANGE_MS = 1_000;
/** Pieces of index work between batches; more often while there is a lot. */
const INDEX_TICK_MS = 100;
const INDEX_RETRY_MS = 5_000;

export const brokerActor = actor('broker', {
  messages: brokerMessages,
  start,
  on: {
    frame: onFrame,
    opened: onOpened,
    closed: onClosed,
    dialed: (state: BrokerState, m: Message<'dialed'>) => state.remote.dialed(m.token, m.connection),
    dialFailed: (state: BrokerState, m: Message<'dialFailed'>) => state.remote.dialFailed(m.token, m.value.reason),
    bound: onBound,
    commitOffset: onCommitOffset,
    offsetMoved: (state: BrokerState, m: Message<'offsetMoved'>) => writeOffsetMovedEvent(state, m.value),
    groupWanted: (state: BrokerState, m: Message<'groupWanted'>) => wantGroup(state, m.value.group),
    pulled: (state: BrokerState, m: Message<'pulled'>) => {
      state.stats.pulled(m.found, m.missed, m.messages);
      state.stats.pullsWait(m.host, m.waiting, m.headWaitMs);
    },
    got: (state: BrokerState, m: Message<'got'>) => {
      for (const one of m.value) state.counters.got(one);
    },
    offsetFound: (state: BrokerState, m: Message<'offsetFound'>) => state.offsetSearches.answered(m.token, m.offset),
    searchFailed: (state: BrokerState, m: Message<'searchFailed'>) =>
      state.offsetSearches.answered(m.value.token, m.value.error),
    entriesRead: (state: BrokerState, m: Message<'entriesRead'>) => {
      if (m.reader >= EntryReader.QUERIES) state.entryQueries.entriesRead(m);
      else (m.reader === EntryReader.SCHEDULE ? state.schedule : state.transactions).entriesRead(m);
    },
    queueCleaned: onQueueCleaned,
    queuesFlushed: (state: BrokerState, m: Message<'queuesFlushed'>) =>
      state.queueSync.answered(state, m.host, m.isSynced),
    queueDisk: onQueueDisk,
    stalled: onStalled,
    replicated: onReplicated,
    follow: (state: BrokerState, m: Message<'follow'>) => state.replication.follow(state, m.from, m.end),
    append: (state: BrokerState, m: Message<'append'>) =>
      state.replication.append(m.offset, m.buffer, m.start, m.end - m.start),
    checkMaster: onCheckMaster,
  },
  endOfBatch,
  close,
});

function start(context: Context, options: BrokerOptions): BrokerState {
  const { settings } = options;
  const { disk, clock } = context;
  const recovered = options.prepared as RecoveredStore;
  const isSlave = settings.brokerRole === 'SLAVE';
  const directory = settings.storePathCommitLog;
  const fileBytes = settings.mappedFileSizeCommitLog;
  const window = options.window === undefined ? undefined : LogWindow.attach(options.window);
  const log = CommitLog.open(disk, {
    directory,
    fileBytes,
    startAt: recovered.endOffset,
    onNextFile: () => state.retention.makeRoom(state),
    ...(window === undefined ? {} : { window }),
  });
  const readWindow = window ?? (options.localMaster && LogWindow.attach(options.localMaster.window));
  const reader = new LogReader(disk, { directory, fileBytes, window: readWindow });
  const flusher = new LogFlusher(
    log,
    {
      mode: settings.flushDiskType,
      intervalMs: settings.flushIntervalCommitLog,
      leastPages: settings.flushCommitLogLeastPages,
      thoroughIntervalMs: settings.flushCommitLogThoroughInterval,
    },
    {
      onFlushed: (offset) => {
        state.checkpoint.logTimestamp = state.flushMarks.flushed(offset, state.checkpoint.logTimestamp);
        state.flushGroups.ended();
        context.touch();
      },
      onFailed: (error) => {
        state.faults.failed('flush', diskErrorFacts(error));
        leaveMark(state);
        context.touch();
      },
    },
  );
  let lastStoreTimestamp = recovered.lastStoreTimestamp;
  const release: Release = (connection, bytes, from, end, status, sinceMs) => {
    stats.putTimes.add(clock.monotonic() - sinceMs);
    if (status === 'ok') return sendBytes(state, connection, bytes, from, end);
    const code = status === 'slave timeout' ? ResponseCode.FLUSH_SLAVE_TIMEOUT : ResponseCode.FLUSH_DISK_TIMEOUT;
    const frame = withCode(bytes, from, end, code);
    state.counters.requests.error(RequestCode.SEND_MESSAGE_V2, code);
    sendBytes(state, connection, frame, 0, frame.length);
  };
  const remote = new Remote(context, options.front);
  const items = new ItemStatistics(context);
  const counters = new Counters(context.meter, context.name, items, settings.brokerClusterName);
  const stats = new BrokerStats(context, counters);
  const faults = new StoreFaults(context, context.name);
  const index = settings.messageIndexEnable
    ? IndexService.open(new FileCache(disk), {
        directory: storePath.index(settings.storePathRootDir),
        slots: settings.maxHashSlotNum,
        entries: settings.maxIndexNum,
        clock,
        onFileSynced: (endTimestamp, error) => {
          if (error === undefined) state.checkpoint.indexTimestamp = endTimestamp;
          else state.faults.failed('index', diskErrorFacts(error));
        },
      })
    : undefined;
  const state: BrokerState = {
    context,
    options,
    settings,
    port: 0,
    haPort: 0,
    address: '',
    storeHost: new Uint8Array(8),
    isSlave,
    startedMs: clock.now(),
    log,
    reader,
    flusher,
    flushGroups: new FlushGroups(context, flusher, () => state.waiting.count),
    index,
    indexCatchUp: new IndexCatchUp(context, index, fileBytes, recovered.unindexed),
    checkpoint: Checkpoint.open(disk, storePath.checkpoint(settings.storePathRootDir)),
    dispatcher: new Dispatcher(context, options.queueHosts),
    flushMarks: new FlushMarks(),
    storeTimestamp: () => {
      lastStoreTimestamp = Math.max(lastStoreTimestamp, clock.now());
      return lastStoreTimestamp;
    },
    refusal: undefined,
    queueRefusal: undefined,
    faults,
    queueTroubles: new Map(),
    queueSync: new QueueSync(),
    replicatedOffset: 0,
    connectedSlaves: 0,
    retention: new Retention(),
    replication: new Replication({ context, log, reader, settings, options }, recovered),
    schedule: new Schedule(context, settings.messageDelayLevel),
    transactions: new TransactionChecks(context),
    topics: new TopicTable(),
    groups: new GroupTable(clock.now()),
    offsets: new OffsetTable(),
    clients: new ClientRegistry(),
    filters: new FilterTable(
      bloomFilter(settings.maxErrorRateOfBloomFilter, settings.expectConsumerNumUseFilter),
      (group, topic, because) => context.log.warn('subscription not taken', { group, topic, because }),
    ),
    locks: new QueueLocks(),
    configuration: new Configuration(context, options.configPath),
    files: new ConfigFiles(context, storePath.config(settings.storePathRootDir), faults),
    connections: new Map(),
    offsetSearches: new OffsetSearches(),
    entryQueries: new EntryQueries(),
    keySearches: new KeySearches(context),
    written: new WaitingAnswers(),
    waiting: new WaitingAnswers(),
    remote,
    registration: new Registration(context, remote, () => context.ready()),
    slaveSync: isSlave ? new SlaveSync(context, remote) : undefined,
    counters,
    flow: new FlowControl(context, context.meter, context.name, brokerMessages.frame),
    stats,
    items,
    ownProperties: Buffer.from(`CLUSTER\u0001${settings.brokerClusterName}`),
    release,
    flushSoon: coalesced(context, FOLLOWER_FLUSH_MS, () => flusher.request()),
    scan: new RequestScan(),
    writer: new ResponseWriter(),
    properties: new PropertyScan(),
    message: new NewMessage(),
  };
  createAbortFile(disk, settings.storePathRootDir);
  for (const { topic, queueId, minOffset, maxOffset, physicalEnd } of recovered.queues) {
    const queue = state.topics.ensure(topic).queue(queueId);
    queue.minOffset = minOffset;
    queue.nextOffset = maxOffset;
    queue.physicalEnd = physicalEnd;
  }
  state.files.load(state);
  startTopics(state);
  checkDisk(state);
  pushAll(state);
  tellLogRange(state);
  tellHa(state);
  every(context, EXPIRE_MS, () => expireAnswers(state));
  every(context, CLIENT_SCAN_MS, () => scanExpired(state));
  every(context, LOCK_SWEEP_MS, () => state.locks.dropExpired(clock.monotonic()));
  every(context, DISK_CHECK_MS, () => checkDisk(state));
  every(context, GAUGES_MS, () => updateGauges(state));
  every(context, DISK_RETRY_MS, () => retryDisk(state));
  let toldEnd = log.endOffset;
  // A host knows of the messages of its own queues at once.
  every(context, LOG_RANGE_MS, () => {
    if (log.endOffset !== toldEnd) tellLogRange(state);
    toldEnd = log.endOffset;
  });
  every(context, settings.flushIntervalCommitLog, () => flusher.tick(clock.monotonic()));
  every(context, settings.flushConsumeQueueThoroughInterval, () => state.queueSync.begin(state));
  if (index !== undefined) indexInPieces(state, index);
  state.indexCatchUp.start(state);
  state.retention.start(state);
  return state;
}

/** Index pages are written in small pieces, so that no batch waits for all of them. */
function indexInPieces(state: BrokerState, index: IndexService): void {
  const { context } = state;
  context.after(INDEX_TICK_MS, function next(): void {
    context.after(tickIndex(state, index), next);
  });
}

/** Milliseconds until the next piece. Keys that cannot be written stay in memory and are tried again. */
function tickIndex({ faults }: BrokerState, index: IndexService): number {
  try {
    const isBusy = index.tick();
    if (index.pendingKeys === 0) faults.worked('index');
    return isBusy ? 0 : INDEX_TICK_MS;
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    faults.failed('index', diskErrorFacts(error));
    return INDEX_RETRY_MS;
  }
}

/** Calls within `delayMs` run it once. */
function coalesced(context: Context, delayMs: number, run: () => void): () => void {
  let isScheduled = false;
  const fire = (): void => {
    isScheduled = false;
    run();
  };
  return () => {
    if (!isScheduled) context.after(delayMs, fire);
    isScheduled = true;
  };
}

function every(context: Context, periodMs: number, run: () => void): void {
  context.after(periodMs, () => {
    run();
    every(context, periodMs, run);
  });
}

// ---- connections

function onBound(state: BrokerState, m: Message<'bound'>): void {
  const { settings, options } = state;
  const host = options.advertisedHost === '' ? settings.brokerIP1 : options.advertisedHost;
  state.port = m.port;
  state.haPort = m.haPort;
  state.address = `${host}:${m.port}`;
  const storeHost = encodeHost(host, m.port);
  if (storeHost === undefined) {
    throw new StartError(
      `${state.context.name}: brokerIP1=${host}: an IP address is needed, because it is stored in every message: set brokerIP1 or --advertise to one`,
    );
  }
  state.storeHost = storeHost;
  state.registration.start(state);
  if (!options.waitsForNameServers) state.registration.whenTold(() => state.context.ready());
  state.slaveSync?.start(state);
  if (!state.isSlave) {
    state.schedule.start(state);
    state.transactions.start(state);
  }
}

function onOpened(state: BrokerState, m: Message<'opened'>): void {
  const { remoteAddress, remotePort } = m.value;
  const bornHost = encodeHost(remoteAddress, remotePort) ?? new Uint8Array(8);
  state.connections.set(m.connection, { id: m.connection, address: remoteAddress, port: remotePort, bornHost });
}

function onClosed(state: BrokerState, m: Message<'closed'>): void {
  state.remote.closed(m.connection);
  if (state.connections.delete(m.connection)) onConnectionClosed(state, m.connection);
}

function onFrame(state: BrokerState, m: Message<'frame'>): void {
  const { scan } = state;
  const headerWord = m.view.getInt32(m.start);
  const headerAt = m.start + 4;
  const bodyAt = headerAt + headerBytes(headerWord);
  if (!scan.scan(m.buffer, m.view, headerAt, bodyAt, headerSerialization(headerWord))) {
    const { problem, problemAt } = scan;
    state.context.log.warn('unreadable request header', { connection: m.connection, problem, at: problemAt });
    state.context.send(state.options.front, frontMessages.close, { connection: m.connection });
    return;
  }
  if (scan.isResponse) {
    state.remote.response(m.connection, decodeCommand(scan), Buffer.from(m.buffer.subarray(bodyAt, m.end)));
    return;
  }
  const connection = state.connections.get(m.connection);
  if (connection === undefined) return;
  if (m.receivedMs < state.flow.suspectBefore && isRefused(state, connection, m.receivedMs)) return;
  switch (scan.code) {
    case RequestCode.SEND_MESSAGE_V2:
    case RequestCode.SEND_MESSAGE:
    case RequestCode.SEND_BATCH_MESSAGE:
      onSend(state, connection, m.buffer, m.view, bodyAt, m.end - bodyAt);
      return;
    default:
      onOther(state, connection, m.buffer.subarray(bodyAt, m.end));
  }
}

/** The request has waited too long. */
function isRefused(state: BrokerState, connection: Connection, receivedMs: number): boolean {
  const { flow, settings, scan, counters } = state;
  const refusal = flow.refusal(settings, scan.code, receivedMs);
  if (refusal === undefined) return false;
  counters.requests.request(scan.code);
  flow.count(refusal.reason);
  respond(state, connection.id, ResponseCode.SYSTEM_BUSY, refusal.remark);
  return true;
}

function onOther(state: BrokerState, connection: Connection, body: Buffer): void {
  state.counters.requests.request(state.scan.code);
  handleRequest(state, connection, body);
}

// ---- queue hosts

function onCommitOffset(state: BrokerState, m: Message<'commitOffset'>): void {
  const groupBytes = m.buffer[m.start]!;
  const groupAt = m.start + 1;
  const group = m.buffer.toString('utf8', groupAt, groupAt + groupBytes);
  const topic = m.buffer.toString('utf8', groupAt + groupBytes, m.end);
  state.offsets.commit(group, topic, m.queueId, m.queueOffset);
}

function onQueueCleaned(state: BrokerState, m: Message<'queueCleaned'>): void {
  const topic = m.buffer.toString('utf8', m.start, m.end);
  state.retention.queueCleaned(state, topic, m.queueId, m.minOffset, m.filesRemoved);
}

// ---- replication

function onReplicated(state: BrokerState, m: Message<'replicated'>): void {
  state.replicatedOffset = m.offset;
  state.connectedSlaves = m.slaves;
}

function onCheckMaster(state: BrokerState, { connection }: Message<'checkMaster'>): void {
  const { context, options } = state;
  checkMaster(state, (problem) => {
    const text = Buffer.from(problem);
    const place = context.begin(options.ha, haMessages.masterChecked, { connection }, 0, text.length);
    text.copy(place.buffer, place.at);
    context.end(text.length);
  });
}

// ---- the end of a batch

function endOfBatch(state: BrokerState): void {
  const { log, dispatcher, settings } = state;
  if (log.writtenOffset < log.endOffset) {
    state.flow.beginWrite();
    const isWritten = log.writeOut();
    state.flow.endWrite(settings);
    if (isWritten) {
      state.flushMarks.written(log.writtenOffset, state.storeTimestamp());
      tellHa(state);
    } else {
      refuseUnwritten(state);
    }
    noteLog(state);
  }
  state.replication.endOfBatch(state);
  if (log.writtenOffset === log.endOffset) dispatcher.flush();
  if (log.flushedOffset < log.writtenOffset) {
    if (state.isSlave) onFollowed(state);
    else if (settings.flushDiskType === 'SYNC_FLUSH') state.flushGroups.request();
  }
  state.replication.catchUp(state);
  releaseAnswers(state);
  state.files.flush(state);
  state.flow.endOfBatch();
}

/** A slave has appended: nobody waits for its flush, so with SYNC_FLUSH one follows soon instead of at once. */
function onFollowed(state: BrokerState): void {
  state.flushMarks.written(state.replication.dispatchedOffset, state.dispatcher.sentTimestamp);
  if (state.settings.flushDiskType === 'SYNC_FLUSH') state.flushSoon();
}

function updateGauges(state: BrokerState): void {
  const { counters, log } = state;
  counters.logEnd.set(log.endOffset);
  counters.logFlushed.set(log.flushedOffset);
  counters.logMin.set(log.minOffset);
  if (state.settings.brokerRole !== 'SLAVE') {
    const lag = state.connectedSlaves === 0 ? 0 : log.endOffset - state.replicatedOffset;
    counters.replicationLag.set(lag);
    counters.connectedSlaves.set(state.connectedSlaves);
  }
}

// ---- the end

/**
 * What was acknowledged is on the disk when this is done, and the name servers know that the broker is gone. Thousands
 * of consume queues take long to sync; those that are not when the time is over are put right by the next start.
 */
function close(state: BrokerState, done: () => void): void {
  const { context } = state;
  state.schedule.stop();
  state.transactions.stop();
  state.registration.unregister(() => {
    endOfBatch(state);
    state.files.close(state);
    let isOver = false;
    let isSynced = false;
    const finish = (): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      finishClose(state, isSynced, done);
    };
    const finishIfDone = (): void => {
      const left = state.indexCatchUp.left(state);
      if (isSynced && (left === 0 || left > CLOSE_INDEX_BYTES)) finish();
    };
    const timer = context.after(CLOSE_SYNC_MS, finish);
    state.indexCatchUp.whenDone(finishIfDone);
    syncHosts(
      state,
      () => {
        isSynced = true;
        finishIfDone();
      },
      () => isOver,
    );
  });
}

/** The hosts are closed after this actor. One that is behind gets the entries that it misses first. */
function syncHosts(state: BrokerState, synced: () => void, isOver: () => boolean): void {
  state.queueSync.begin(state, (isSynced) => {
    if (isSynced) synced();
    else if (!isOver()) state.context.after(CLOSE_RETRY_MS, () => syncHosts(state, synced, isOver));
  });
}

function finishClose(state: BrokerState, isSynced: boolean, done: () => void): void {
  const { context } = state;
  const { isBehind } = state.indexCatchUp;
  state.indexCatchUp.end();
  state.flusher.close();
  state.retention.close();
  try {
    state.log.close();
    state.schedule.close(state);
    state.index?.sync();
    state.index?.close();
    state.checkpoint.logTimestamp = state.storeTimestamp();
    state.checkpoint.save();
    if (isSynced) closeInOrder(state, isBehind);
    else context.log.warn('not every consume queue was synced in time, the next start checks them');
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    // The abort file stays, so the next start recovers what could not be written now.
    leaveMark(state);
    context.log.error(`the store was not closed cleanly, the next start recovers it: ${withRemedy(error)}`);
  }
  done();
}

/** The last thing: the next start need not look for what was lost. */
function closeInOrder({ context, settings, checkpoint, index, log }: BrokerState, isIndexBehind: boolean): void {
  const root = settings.storePathRootDir;
  if (index === undefined || !isIndexBehind) return removeAbortFile(context.disk, root);
  stopUnindexed(context.disk, root, checkpoint, index, log.endOffset);
  context.log.info('the key index is not complete yet: the next start goes on with it');
}

/** The next start writes again what a sync that failed may have given up. */
function leaveMark({ context, settings, log }: BrokerState): void {
  try {
    markUnsynced(context.disk, settings.storePathRootDir, log.flushedOffset);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    const remedy = 'after a power loss, check the store with `hangar store check`';
    context.log.error(`what was not synced cannot be marked (${error.message}): ${remedy}`);
  }
}
