/**
 * Every metric that Hangar counts itself, a row each. Names follow Prometheus: base units, `_total` on counters, the unit
 * before it. Node's own process metrics (`process_*`, `nodejs_*`) stand beside them on /metrics.
 *
 * `unit` as a label is a name server or a broker (`namesrv-a`, `broker-a`, `broker-a-slave`): what is started, stopped
 * and restarted together.
 */
export interface MetricRow {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly unit: 'messages' | 'bytes' | 'seconds' | 'frames' | 'connections' | 'requests' | 'events' | 'items';
  /** Label names, in the order in which they are printed. */
  readonly labels: readonly string[];
  readonly help: string;
}

export const catalog = {
  // Messages that clients send and receive.
  messagesIn: {
    name: 'hangar_messages_in_total',
    kind: 'counter',
    unit: 'messages',
    labels: ['broker', 'topic'],
    help: 'Messages stored for producers.',
  },
  messageBytesIn: {
    name: 'hangar_message_bytes_in_total',
    kind: 'counter',
    unit: 'bytes',
    labels: ['broker', 'topic'],
    help: 'Bytes of the stored records of those messages.',
  },
  messagesOut: {
    name: 'hangar_messages_out_total',
    kind: 'counter',
    unit: 'messages',
    labels: ['broker', 'topic'],
    help: 'Messages handed to consumers in answers to pulls.',
  },
  messageBytesOut: {
    name: 'hangar_message_bytes_out_total',
    kind: 'counter',
    unit: 'bytes',
    labels: ['broker', 'topic'],
    help: 'Bytes of the stored records of those messages.',
  },

  // Requests.
  requests: {
    name: 'hangar_requests_total',
    kind: 'counter',
    unit: 'requests',
    labels: ['unit', 'code'],
    help: 'Requests taken, by request code.',
  },
  requestErrors: {
    name: 'hangar_request_errors_total',
    kind: 'counter',
    unit: 'requests',
    labels: ['unit', 'code', 'response'],
    help: 'Answers other than SUCCESS, by request code and response code.',
  },
  requestsRefused: {
    name: 'hangar_busy_refusals_total',
    kind: 'counter',
    unit: 'requests',
    labels: ['broker', 'reason'],
    help: 'Requests answered with SYSTEM_BUSY (flow control): queue_age waited too long, disk_busy a file write was slow, waiting_answers_full too many sends wait for their flush or slave, too_many_cold_pulls, offset_searches_full.',
  },
  heldPulls: {
    name: 'hangar_held_pulls',
    kind: 'gauge',
    unit: 'requests',
    labels: ['broker', 'host'],
    help: 'Pulls that wait for messages to arrive (long polling), by the queue host that holds them.',
  },
  coldPulls: {
    name: 'hangar_cold_pulls',
    kind: 'gauge',
    unit: 'requests',
    labels: ['broker', 'host'],
    help: 'Pulls that wait for old messages to be read from the disk.',
  },
  coldPullsTotal: {
    name: 'hangar_cold_pulls_total',
    kind: 'counter',
    unit: 'requests',
    labels: ['broker', 'host'],
    help: 'Pulls that had to wait for old messages to be read from the disk.',
  },
  coldReadBytes: {
    name: 'hangar_cold_read_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    labels: ['broker', 'host'],
    help: 'Commit log read from the disk for consumers whose messages have left memory, read ahead included.',
  },
  indexBehind: {
    name: 'hangar_index_behind_bytes',
    kind: 'gauge',
    unit: 'bytes',
    labels: ['broker'],
    help: 'Commit log whose keys are still to be put into the index, after a crash or while the disk refuses: queries by key miss them.',
  },

  // Delayed messages and messages that consumers send back.
  delayedPending: {
    name: 'hangar_delayed_pending',
    kind: 'gauge',
    unit: 'messages',
    labels: ['broker', 'level'],
    help: 'Messages of a delay level that wait for their time.',
  },
  delayedLate: {
    name: 'hangar_delayed_late_seconds',
    kind: 'gauge',
    unit: 'seconds',
    labels: ['broker', 'level'],
    help: 'How long the next message of a delay level has been due.',
  },
  delayedDelivered: {
    name: 'hangar_delayed_delivered_total',
    kind: 'counter',
    unit: 'messages',
    labels: ['broker', 'level'],
    help: 'Delayed messages that went to their topic.',
  },
  delayedSkipped: {
    name: 'hangar_delayed_skipped_total',
    kind: 'counter',
    unit: 'messages',
    labels: ['broker'],
    help: 'Delayed messages that could not be delivered: their record is gone or says no place.',
  },
  transactionsEnded: {
    name: 'hangar_transactions_ended_total',
    kind: 'counter',
    unit: 'events',
    labels: ['broker', 'as'],
    help: 'Words of producers about half messages: commit, rollback or unknown.',
  },
  transactionsChecked: {
    name: 'hangar_transactions_checked_total',
    kind: 'counter',
    unit: 'events',
    labels: ['broker'],
    help: 'Questions to producers about half messages that they have said nothing about.',
  },
  transactionsGivenUp: {
    name: 'hangar_transactions_given_up_total',
    kind: 'counter',
    unit: 'events',
    labels: ['broker'],
    help: 'Half messages that were asked about too often, or are too old: moved to TRANS_CHECK_MAX_TIME_TOPIC.',
  },
  transactionsOpen: {
    name: 'hangar_transactions_open',
    kind: 'gauge',
    unit: 'messages',
    labels: ['broker'],
    help: 'Half messages that the last round of checks did not pass; those that are done behind one that waits count, too.',
  },
  messagesSentBack: {
    name: 'hangar_messages_sent_back_total',
    kind: 'counter',
    unit: 'messages',
    labels: ['broker', 'group', 'to'],
    help: 'Messages that consumers sent back, to their retry topic (retry) or to the dead letters (dlq).',
  },
  storeErrors: {
    name: 'hangar_store_errors_total',
    kind: 'counter',
    unit: 'events',
    labels: ['broker', 'part'],
    help: 'Operations that the disk refused, by part of the store.',
  },
  storeFailing: {
    name: 'hangar_store_failing',
    kind: 'gauge',
    unit: 'items',
    labels: ['broker', 'part'],
    help: '1 while the disk refuses that part of the store; the log says why.',
  },
  brokerWritable: {
    name: 'hangar_broker_writable',
    kind: 'gauge',
    unit: 'items',
    labels: ['broker'],
    help: '1 while a master takes messages; 0 while it refuses all of them because of its disk. 0 for a slave.',
  },

  // Commit log and replication.
  commitLogEnd: {
    name: 'hangar_commit_log_end_bytes',
    kind: 'gauge',
    unit: 'bytes',
    labels: ['broker'],
    help: 'Physical offset behind the newest record of the commit log.',
  },
  commitLogFlushed: {
    name: 'hangar_commit_log_flushed_bytes',
    kind: 'gauge',
    unit: 'bytes',
    labels: ['broker'],
    help: 'Physical offset up to which the commit log is on disk.',
  },
  commitLogMin: {
    name: 'hangar_commit_log_min_bytes',
    kind: 'gauge',
    unit: 'bytes',
    labels: ['broker'],
    help: 'Physical offset of the oldest record that is kept.',
  },
  storeBytes: {
    name: 'hangar_store_bytes',
    kind: 'gauge',
    unit: 'bytes',
    labels: ['broker', 'part'],
    help: 'What counts against storeMaxBytes: commit log files in full, entries in consume queues and index files.',
  },
  logFilesDeleted: {
    name: 'hangar_commit_log_files_deleted_total',
    kind: 'counter',
    unit: 'items',
    labels: ['broker', 'reason'],
    help: 'Commit log files that retention deleted: expired, disk-usage or budget.',
  },
  diskUsedPercent: {
    name: 'hangar_disk_used_percent',
    kind: 'gauge',
    unit: 'items',
    labels: ['broker'],
    help: 'Used part of the file system of the commit log in whole percent, as the disk ratios see it; -1 when unknown.',
  },
  refusesMessages: {
    name: 'hangar_store_refuses_messages',
    kind: 'gauge',
    unit: 'items',
    labels: ['broker'],
    help: '1 while sends are refused because the disk is too full, else 0.',
  },
  replicationLag: {
    name: 'hangar_replication_lag_bytes',
    kind: 'gauge',
    unit: 'bytes',
    labels: ['broker'],
    help: 'Bytes of the commit log of this master that no slave has acknowledged yet.',
  },
  connectedSlaves: {
    name: 'hangar_connected_slaves',
    kind: 'gauge',
    unit: 'items',
    labels: ['broker'],
    help: 'Slaves that follow this master.',
  },

  // Name servers.
  namesrvTopics: {
    name: 'hangar_namesrv_topics',
    kind: 'gauge',
    unit: 'items',
    labels: ['unit'],
    help: 'Topics in the route table.',
  },
  namesrvBrokers: {
    name: 'hangar_namesrv_brokers',
    kind: 'gauge',
    unit: 'items',
    labels: ['unit'],
    help: 'Registered brokers, slaves included.',
  },
  namesrvRouteCache: {
    name: 'hangar_namesrv_route_cache_bytes',
    kind: 'gauge',
    unit: 'bytes',
    labels: ['unit'],
    help: 'Encoded routes that are kept for the next query.',
  },

  // Connections, counted by the front actor. `unit` is whom a connection belongs to: the listener, or who dialed.
  connections: {
    name: 'hangar_connections',
    kind: 'gauge',
    unit: 'connections',
    labels: ['unit'],
    help: 'Open connections.',
  },
  connectionsOpened: {
    name: 'hangar_connections_opened_total',
    kind: 'counter',
    unit: 'connections',
    labels: ['unit'],
    help: 'Connections accepted or dialed.',
  },
  connectionsClosed: {
    name: 'hangar_connections_closed_total',
    kind: 'counter',
    unit: 'connections',
    labels: ['unit', 'reason'],
    help: 'Connections closed, by reason: peer, actor, unit, stop, idle, slow_frame, slow_reader, or what was malformed.',
  },
  connectionsRefused: {
    name: 'hangar_connections_refused_total',
    kind: 'counter',
    unit: 'connections',
    labels: ['unit', 'reason'],
    help: 'Connections closed as soon as they came, because of a limit or because nothing serves the port yet.',
  },
  framesIn: {
    name: 'hangar_frames_in_total',
    kind: 'counter',
    unit: 'frames',
    labels: ['unit'],
    help: 'Frames received and handed on.',
  },
  frameBytesIn: {
    name: 'hangar_frame_bytes_in_total',
    kind: 'counter',
    unit: 'bytes',
    labels: ['unit'],
    help: 'Bytes of those frames, length words included.',
  },
  writes: {
    name: 'hangar_writes_total',
    kind: 'counter',
    unit: 'messages',
    labels: ['unit'],
    help: 'Messages of actors written to connections, mostly one frame each.',
  },
  writeBytes: {
    name: 'hangar_write_bytes_total',
    kind: 'counter',
    unit: 'bytes',
    labels: ['unit'],
    help: 'Bytes of those messages.',
  },
  writesDropped: {
    name: 'hangar_writes_dropped_total',
    kind: 'counter',
    unit: 'messages',
    labels: [],
    help: 'Messages written to connections that were gone already.',
  },
  inputStalls: {
    name: 'hangar_input_stalls_total',
    kind: 'counter',
    unit: 'events',
    labels: ['unit'],
    help: 'How often reading from a connection stopped because its receiver had no room.',
  },

  // Runtime.
  ringDepth: {
    name: 'hangar_ring_depth_bytes',
    kind: 'gauge',
    unit: 'bytes',
    labels: ['from', 'to', 'lane'],
    help: 'Bytes in the ring between two threads that were not handled yet.',
  },
  ringStalls: {
    name: 'hangar_ring_stalls_total',
    kind: 'counter',
    unit: 'events',
    labels: ['from', 'to', 'lane'],
    help: 'How often the writer found this ring full.',
  },
  unitUp: {
    name: 'hangar_unit_up',
    kind: 'gauge',
    unit: 'items',
    labels: ['unit'],
    help: '1 while the unit serves.',
  },
  actorRestarts: {
    name: 'hangar_actor_restarts_total',
    kind: 'counter',
    unit: 'events',
    labels: ['unit'],
    help: 'Restarts of the unit after one of its actors crashed.',
  },
  threadBusy: {
    name: 'hangar_thread_busy_seconds_total',
    kind: 'counter',
    unit: 'seconds',
    labels: ['thread'],
    help: 'Time in which the thread ran turns.',
  },
  messagesDropped: {
    name: 'hangar_actor_messages_dropped_total',
    kind: 'counter',
    unit: 'messages',
    labels: ['thread'],
    help: 'Messages between actors (not those of users) dropped because their target was down or had been restarted since.',
  },
  seriesDropped: {
    name: 'hangar_dropped_series',
    kind: 'gauge',
    unit: 'items',
    labels: [],
    help: 'Attempts to count in a series that the slab of its thread had no room for.',
  },
} as const satisfies Readonly<Record<string, MetricRow>>;
