/** Everything that a broker actor owns. Handlers and processors get it as their first argument. */
import type { BrokerSettings } from '../../../config/schema.js';
import type { DiskErrorFacts } from '../../base/disk-remedy.js';
import type { PropertyScan } from '../../message/properties.js';
import type { RequestScan } from '../../remoting/request-scan.js';
import type { ResponseWriter } from '../../remoting/response-writer.js';
import type { Context } from '../../runtime/actor.js';
import type { Checkpoint } from '../../store/checkpoint.js';
import type { CommitLog } from '../../store/commit-log.js';
import type { IndexService } from '../../store/index-service.js';
import type { LogFlusher } from '../../store/log-flusher.js';
import type { LogReader } from '../../store/log-reader.js';
import type { ClientRegistry } from './peers/clients.js';
import type { ConfigFiles } from './tables/config-files.js';
import type { Configuration } from './tables/configuration.js';
import type { Counters } from './statistics/counters.js';
import type { Dispatcher } from './store/dispatcher.js';
import type { EntryQueries } from './lookups/entry-queries.js';
import type { FilterTable } from './tables/filter-table.js';
import type { FlowControl } from '../flow-control.js';
import type { FlushGroups } from './sends/flush-groups.js';
import type { FlushMarks } from './store/flush-marks.js';
import type { GroupTable } from './tables/group-table.js';
import type { IndexCatchUp } from './store/index-catch-up.js';
import type { ItemStatistics } from './statistics/item-statistics.js';
import type { KeySearches } from './lookups/key-searches.js';
import type { OffsetSearches } from './lookups/offset-searches.js';
import type { OffsetTable } from './tables/offset-table.js';
import type { BrokerOptions } from './options.js';
import type { QueueLocks } from './tables/queue-locks.js';
import type { QueueSync } from './store/queue-sync.js';
import type { Registration } from './peers/registration.js';
import type { Remote } from './peers/remote.js';
import type { Replication } from './replication/replicate.js';
import type { Schedule } from './schedule/schedule.js';
import type { Retention } from './store/retention.js';
import type { SlaveSync } from './replication/slave-sync.js';
import type { BrokerStats } from './statistics/stats.js';
import type { StoreFaults } from './store/store-faults.js';
import type { NewMessage } from './sends/store-message.js';
import type { TransactionChecks } from './transactions/checks.js';
import type { TopicTable } from './tables/topic-table.js';
import type { Release, WaitingAnswers } from './sends/waiting-answers.js';

/** An accepted connection. */
export interface Connection {
  readonly id: number;
  readonly address: string;
  readonly port: number;
  /** Encoded as records hold it. */
  readonly bornHost: Uint8Array;
}

export interface BrokerState {
  readonly context: Context;
  readonly options: BrokerOptions;
  /** Replaced as a whole by UPDATE_BROKER_CONFIG. */
  settings: BrokerSettings;
  /** Ports that the front bound; 0 until then. */
  port: number;
  haPort: number;
  /** `host:port` that clients and tools see. */
  address: string;
  /** Encoded `address`: store host of every record. */
  storeHost: Uint8Array;
  readonly isSlave: boolean;
  readonly startedMs: number;

  // ---- the store
  readonly log: CommitLog;
  /** Any part of the log, from the window or the files: for queries, tails and catch-up. */
  readonly reader: LogReader;
  readonly flusher: LogFlusher;
  readonly flushGroups: FlushGroups;
  /** undefined when messageIndexEnable is false. */
  readonly index: IndexService | undefined;
  readonly indexCatchUp: IndexCatchUp;
  readonly checkpoint: Checkpoint;
  readonly flushMarks: FlushMarks;
  readonly dispatcher: Dispatcher;
  /** Time of this turn, never before that of an earlier message: store timestamps do not go back. */
  readonly storeTimestamp: () => number;
  /** undefined: writable. Otherwise why not, for the remark of SERVICE_NOT_AVAILABLE. */
  refusal: string | undefined;
  /** The same, because consume queues could not be written for long. */
  queueRefusal: string | undefined;
  /** What the disk refuses. */
  readonly faults: StoreFaults;
  /** By queue host: why its consume queues cannot be written. */
  readonly queueTroubles: Map<number, DiskErrorFacts>;
  readonly queueSync: QueueSync;

  readonly retention: Retention;

  // ---- replication (master)
  /** Highest offset that a slave has acknowledged. */
  replicatedOffset: number;
  connectedSlaves: number;

  readonly replication: Replication;

  /** Delayed messages. */
  readonly schedule: Schedule;
  /** Asks producers about half messages. */
  readonly transactions: TransactionChecks;

  // ---- tables
  readonly topics: TopicTable;
  readonly groups: GroupTable;
  readonly offsets: OffsetTable;
  readonly clients: ClientRegistry;
  /** SQL92 subscriptions. */
  readonly filters: FilterTable;
  /** Of orderly consumers. */
  readonly locks: QueueLocks;
  /** Settings as tools see and change them. */
  readonly configuration: Configuration;
  readonly files: ConfigFiles;
  readonly connections: Map<number, Connection>;

  /** Questions to queue hosts for offsets by time. */
  readonly offsetSearches: OffsetSearches;
  /** And for the entries of consume queues, for tools. */
  readonly entryQueries: EntryQueries;
  readonly keySearches: KeySearches;

  // ---- answers
  /** Wait for the file write only. */
  readonly written: WaitingAnswers;
  /** Wait for flush or slave as well. */
  readonly waiting: WaitingAnswers;

  // ---- other brokers and name servers
  readonly remote: Remote;
  readonly registration: Registration;
  /** Only a slave has one. */
  readonly slaveSync: SlaveSync | undefined;

  readonly counters: Counters;
  /** Refuses what has waited too long. */
  readonly flow: FlowControl;
  /** Rates and times of the recent past, for tools. */
  readonly stats: BrokerStats;
  /** The same by topic, group and cluster. */
  readonly items: ItemStatistics;

  /** The broker's own properties in stored form (CLUSTER): appended to those of every message. */
  ownProperties: Buffer;
  /** Sends an answer that waited; see waiting-answers.ts. */
  readonly release: Release;
  /** A slave's flush with SYNC_FLUSH, a few milliseconds from now. */
  readonly flushSoon: () => void;

  // ---- reused on the hot path
  readonly scan: RequestScan;
  readonly writer: ResponseWriter;
  readonly properties: PropertyScan;
  readonly message: NewMessage;
}
