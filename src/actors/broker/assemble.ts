/** Makes what a broker owns, from its settings and what recovery found. Nothing runs yet, and the tables are empty. */
import { diskErrorFacts } from '../../base/disk-remedy.js';
import { bloomFilter } from '../../filter/bloom.js';
import { PropertyScan } from '../../message/properties.js';
import { RequestCode } from '../../remoting/request-codes.js';
import { RequestScan } from '../../remoting/request-scan.js';
import { ResponseCode } from '../../remoting/response-codes.js';
import { ResponseWriter } from '../../remoting/response-writer.js';
import type { Context } from '../../runtime/actor.js';
import { Checkpoint } from '../../store/checkpoint.js';
import { CommitLog } from '../../store/commit-log.js';
import { FileCache } from '../../store/file-cache.js';
import { IndexService } from '../../store/index-service.js';
import { LogFlusher } from '../../store/log-flusher.js';
import { LogReader } from '../../store/log-reader.js';
import { LogWindow } from '../../store/log-window.js';
import type { RecoveredStore } from '../../store/recovery.js';
import { storePath } from '../../store/store-directory.js';
import { FlowControl } from '../flow-control.js';
import { sendBytes, withCode } from './sends/answers.js';
import { ClientRegistry } from './peers/clients.js';
import { ConfigFiles } from './tables/config-files.js';
import { Configuration } from './tables/configuration.js';
import { Counters } from './statistics/counters.js';
import { Dispatcher } from './store/dispatcher.js';
import { EntryQueries } from './lookups/entry-queries.js';
import { KeySearches } from './lookups/key-searches.js';
import { FilterTable } from './tables/filter-table.js';
import { FlushGroups } from './sends/flush-groups.js';
import { FlushMarks } from './store/flush-marks.js';
import { GroupTable } from './tables/group-table.js';
import { brokerMessages } from './messages.js';
import { OffsetSearches } from './lookups/offset-searches.js';
import { OffsetTable } from './tables/offset-table.js';
import type { BrokerOptions } from './options.js';
import { IndexCatchUp } from './store/index-catch-up.js';
import { ItemStatistics } from './statistics/item-statistics.js';
import { QueueLocks } from './tables/queue-locks.js';
import { QueueSync } from './store/queue-sync.js';
import { Registration } from './peers/registration.js';
import { Remote } from './peers/remote.js';
import { Replication } from './replication/replicate.js';
import { Schedule } from './schedule/schedule.js';
import { Retention } from './store/retention.js';
import { SlaveSync } from './replication/slave-sync.js';
import { BrokerStats } from './statistics/stats.js';
import { leaveMark } from './store/store-health.js';
import type { BrokerState } from './state.js';
import { StoreFaults } from './store/store-faults.js';
import { NewMessage } from './sends/store-message.js';
import { TransactionChecks } from './transactions/checks.js';
import { TopicTable } from './tables/topic-table.js';
import { type Release, WaitingAnswers } from './sends/waiting-answers.js';

/** Source: CommitLog.java (GroupCommitService waits 10 ms for requests, then flushes whatever there is). */
const FOLLOWER_FLUSH_MS = 10;

export function assemble(context: Context, options: BrokerOptions, recovered: RecoveredStore): BrokerState {
  const { settings } = options;
  const { disk, clock } = context;
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
  return state;
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
