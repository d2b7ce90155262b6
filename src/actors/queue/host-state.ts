/** State of a queue host: the queue actors of one broker on one thread. */
import type { RequestScan } from '../../remoting/request-scan.js';
import type { ResponseWriter } from '../../remoting/response-writer.js';
import type { Context } from '../../runtime/actor.js';
import type { FileCache } from '../../store/file-cache.js';
import type { LogReader } from '../../store/log-reader.js';
import type { HostCounters } from './counters.js';
import type { Selection } from './get-messages.js';
import type { Deferred } from './deferred.js';
import type { QueueHostOptions } from './options.js';
import type { PullRequest } from './pull-request.js';
import type { HeldPull, Queue } from './queue.js';
import type { Replica } from './replica.js';

export interface HostState {
  readonly context: Context;
  readonly options: QueueHostOptions;
  readonly replica: Replica;
  /** By queueKey; nearly always one each. */
  readonly queues: Map<number, Queue[]>;
  readonly files: FileCache;
  readonly reader: LogReader;
  /** The commit log's range as last heard from the broker. */
  logMin: number;
  logEnd: number;
  /** Numbers of the last `behind` and the last `caughtUp`: while they differ, clients may know of more than this host. */
  lagBegun: number;
  lagOver: number;
  /** Store time of the newest message that was dispatched here, ms. */
  logicsTimestamp: number;
  /** Queues with entries that are not in a file yet. */
  readonly dirty: Set<Queue>;
  /** A flush under way: queues still to be synced, and the store time that it vouches for. */
  syncing: { readonly queues: Queue[]; readonly logicsTimestamp: number; isAskedAgain: boolean } | undefined;

  /** A sync has failed since the start: nothing is vouched for any more. */
  hasLostSync: boolean;

  readonly heldByConnection: Map<number, Set<HeldPull>>;
  heldCount: number;
  /** Tags of subscriptions that held pulls brought along. */
  heldTags: number;
  /** Held pulls to be answered at the end of this batch. */
  woken: HeldPull[];
  readonly deferred: Deferred;

  readonly counters: HostCounters;
  readonly scan: RequestScan;
  readonly writer: ResponseWriter;
  readonly request: PullRequest;
  readonly selection: Selection;
}
