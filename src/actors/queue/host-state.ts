/** State of a queue host: the queue actors of one broker on one thread. */
import type { DiskErrorFacts } from '../../base/disk-remedy.js';
import type { RequestScan } from '../../remoting/request-scan.js';
import type { ResponseWriter } from '../../remoting/response-writer.js';
import type { Context } from '../../runtime/actor.js';
import type { FileCache } from '../../store/file-cache.js';
import type { LogReader } from '../../store/log-reader.js';
import type { QuickReads } from '../../store/quick-reads.js';
import type { FlowControl } from '../flow-control.js';
import type { HostCounters } from './counters.js';
import type { FilterCache, RecordProperties } from './filters.js';
import type { Selection } from './get-messages.js';
import type { HeldPull } from './held.js';
import type { Deferred } from './deferred.js';
import type { QueueHostOptions } from './options.js';
import type { PullRequest } from './pull-request.js';
import type { Queue } from './queue.js';
import type { Replica } from './replica.js';

export interface HostState {
  readonly context: Context;
  readonly options: QueueHostOptions;
  readonly replica: Replica;
  /** By queueKey; nearly always one each. */
  readonly queues: Map<number, Queue[]>;
  readonly files: FileCache;
  readonly reader: LogReader;
  readonly quickReads: QuickReads;
  readonly filters: FilterCache;
  readonly properties: RecordProperties;
  /** The commit log's range as last heard from the broker; its end at least that of the messages dispatched here. */
  logMin: number;
  logEnd: number;
  /** Numbers of the last `behind` and the last `caughtUp`: while they differ, clients may know of more than this host. */
  lagBegun: number;
  lagOver: number;
  /** Queues with entries that are not in a file yet. */
  readonly dirty: Set<Queue>;
  /** Queues that may have buffers or file handles. */
  readonly awake: Set<Queue>;
  /** A flush under way: queues still to be synced, and whether all were up to now. */
  syncing: { readonly queues: Queue[]; isSynced: boolean } | undefined;
  /** A sync has failed since the start: nothing is vouched for any more. */
  hasLostSync: boolean;
  /** The disk refused dispatched entries: what is dispatched is dropped until `resume`. `from`: the oldest of it. */
  stall: { readonly number: number; from: number; readonly error: DiskErrorFacts } | undefined;
  /** How many stalls there were. */
  stalls: number;
  /** The broker knows that the files cannot be written. */
  hasToldTrouble: boolean;

  readonly heldByConnection: Map<number, Set<HeldPull>>;
  /** Those that wait for a message, and those that wait for the disk. */
  heldCount: number;
  coldCount: number;
  /** Tags of subscriptions that held pulls brought along. */
  heldTags: number;
  /** Held pulls to be answered at the end of this batch. */
  woken: HeldPull[];
  readonly deferred: Deferred;

  readonly counters: HostCounters;
  /** Refuses pulls that have waited too long. */
  readonly flow: FlowControl;
  readonly scan: RequestScan;
  readonly writer: ResponseWriter;
  readonly request: PullRequest;
  readonly selection: Selection;
}
