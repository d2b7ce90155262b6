/**
 * Keys of a broker's store, of replication and of the delay schedule. Names, types and defaults: MessageStoreConfig.java of
 * 4.9.7.
 */
import { join } from 'node:path';
import {
  bytes,
  computed,
  delayLevels,
  effective,
  flag,
  hours,
  int,
  later,
  long,
  millis,
  oneOf,
  parseAddress,
  path,
  percent,
  refuseSet,
  refuseTrue,
  type SettingTable,
  text,
  without,
} from './setting.js';
import { defaultIndexEntries, defaultIndexSlots, defaultLogFileBytes, defaultQueueFileBytes } from './store-sizes.js';

const NO_POOL = without('messages are written to the file itself, which is what the pool does later');
const NO_MAPPING = without('files are not memory-mapped');
const SCHEDULE = without('deliveries never wait for each other: what is due is appended in portions');
const NO_DLEDGER = without('DLedger is not supported, see enableDLegerCommitLog');
const LIGHT_QUEUES = 'light message queues are not supported, their messages could not be consumed';

export const storeSettings = {
  // Where, and how large.
  storePathRootDir: path(
    computed('~/store', (facts) => join(facts.home, 'store')),
    effective,
    'Store directory. `hangar up` uses ./hangar-store/<role>, see --store.',
  ),
  storePathCommitLog: path(
    computed('<storePathRootDir>/commitlog', (_facts, get) => join(get<string>('storePathRootDir'), 'commitlog')),
    effective,
    'Directory of the commit log; a list of several is refused.',
  ),
  readOnlyCommitLogStorePaths: text(
    '',
    refuseSet('a commit log in several directories is not supported, its messages would be missing'),
    'Commit log directories that are only read.',
  ),
  mappedFileSizeCommitLog: bytes(
    computed('1073741824; with storeMaxBytes a sixteenth of that, from what a message needs to 1 GiB', (_facts, get) =>
      defaultLogFileBytes(get<number>('storeMaxBytes'), get<number>('maxMessageSize')),
    ),
    effective,
    'Size of a commit log file. Must be what it was when the store was made.',
    { min: 4096, alias: 'mapedFileSizeCommitLog' },
  ),
  mappedFileSizeConsumeQueue: bytes(
    computed('6000000; less with storeMaxBytes below 92 GiB', (_facts, get) =>
      defaultQueueFileBytes(get<number>('storeMaxBytes')),
    ),
    effective,
    'Size of a consume queue file, rounded up to a multiple of 20. Must be what it was when the store was made.',
    { min: 20, max: 2_147_483_640, alias: 'mapedFileSizeConsumeQueue' },
  ),
  maxMessageSize: bytes(4_194_304, effective, 'Largest message body.', { min: 1, max: 16_777_216, live: true }),
  messageIndexEnable: flag(true, effective, 'Keep the index of message keys.'),
  maxHashSlotNum: int(
    computed('5000000; less with storeMaxBytes below 3.2 GiB', (_facts, get) =>
      defaultIndexSlots(get<number>('storeMaxBytes')),
    ),
    effective,
    'Hash slots of an index file. Must be what it was when the store was made.',
    {
      min: 1,
      max: 100_000_000,
    },
  ),
  maxIndexNum: int(
    computed('20000000; less with storeMaxBytes below 3.2 GiB', (_facts, get) =>
      defaultIndexEntries(get<number>('storeMaxBytes')),
    ),
    effective,
    'Entries of an index file. Must be what it was when the store was made.',
    {
      min: 2,
      max: 100_000_000,
    },
  ),
  messageIndexSafe: flag(
    false,
    effective,
    'After a crash index files that had not been synced are built again instead of repaired.',
  ),
  maxMsgsNumBatch: int(64, effective, 'Most messages that a query by key returns.', { min: 1 }),
  defaultQueryMaxNum: int(32, effective, 'Most messages that a query by unique key returns.', { min: 1 }),
  checkCRCOnRecover: flag(true, effective, 'Recovery checks the checksum of every body that it reads.'),
  enableConsumeQueueExt: flag(
    false,
    refuseTrue('extended consume queue entries are not supported, tag filters would lose messages'),
    'Keep filter bitmaps beside the consume queue; changes what its entries mean.',
  ),
  mappedFileSizeConsumeQueueExt: bytes(50_331_648, without('see enableConsumeQueueExt'), 'Size of such a file.'),
  bitMapLengthConsumeQueueExt: int(64, without('see enableConsumeQueueExt'), 'Bits of such a bitmap.'),

  // Flush.
  flushDiskType: oneOf(
    ['ASYNC_FLUSH', 'SYNC_FLUSH'],
    'ASYNC_FLUSH',
    effective,
    'SYNC_FLUSH answers a send when its message is on the disk, ASYNC_FLUSH when it is in the page cache.',
  ),
  syncFlushTimeout: millis(5000, effective, 'How long SYNC_FLUSH waits before it answers FLUSH_DISK_TIMEOUT.', {
    live: true,
  }),
  flushIntervalCommitLog: millis(500, effective, 'ASYNC_FLUSH: time between two flushes of the commit log.'),
  flushCommitLogTimed: flag(true, effective, 'ASYNC_FLUSH: flush by time only; false: sends wake the flush as well.'),
  flushCommitLogLeastPages: int(4, effective, 'ASYNC_FLUSH: less than this is not flushed yet.', {
    unit: '4 KiB pages',
  }),
  flushCommitLogThoroughInterval: millis(10_000, effective, 'ASYNC_FLUSH: after this time anything is flushed.'),
  flushIntervalConsumeQueue: millis(1000, effective, 'Time between two flushes of the consume queues.'),
  flushConsumeQueueLeastPages: int(2, effective, 'Less than this is not flushed yet.', { unit: '4 KiB pages' }),
  flushConsumeQueueThoroughInterval: millis(60_000, effective, 'After this time anything is flushed, checkpoint too.'),
  commitIntervalCommitLog: millis(200, NO_POOL, 'Time between two copies from the buffer pool to the file.'),
  commitCommitLogLeastPages: int(4, NO_POOL, 'Less than this is not copied yet.', { unit: '4 KiB pages' }),
  commitCommitLogThoroughInterval: millis(200, NO_POOL, 'After this time anything is copied.'),
  transientStorePoolEnable: flag(false, NO_POOL, 'Write to a buffer pool first, then to the file.'),
  transientStorePoolSize: int(5, NO_POOL, 'Buffers of the pool.'),
  fastFailIfNoBufferInStorePool: flag(false, NO_POOL, 'Refuse sends when the pool is empty.'),
  useReentrantLockWhenPutMessage: flag(true, without('one actor writes, there is no lock'), 'Kind of the write lock.'),
  osPageCacheBusyTimeOutMills: long(1000, effective, 'A write that lasts longer makes the broker busy.', {
    unit: 'ms',
    live: true,
  }),
  warmMapedFileEnable: flag(false, NO_MAPPING, 'Touch every page of a new file.'),
  flushLeastPagesWhenWarmMapedFile: int(4096, NO_MAPPING, 'Pages to touch before a flush.'),
  debugLockEnable: flag(
    false,
    without('one actor writes, there is no lock'),
    'Write a stack dump when the lock is held long.',
  ),

  // Pull.
  accessMessageInMemoryMaxRatio: percent(
    40,
    effective,
    'Share of the memory within which a message counts as recent.',
    {
      live: true,
    },
  ),
  maxTransferBytesOnMessageInMemory: bytes(262_144, effective, 'Most bytes of recent messages in one answer.', {
    live: true,
  }),
  maxTransferCountOnMessageInMemory: int(32, effective, 'Most recent messages in one answer.', { min: 1, live: true }),
  maxTransferBytesOnMessageInDisk: bytes(65_536, effective, 'Most bytes of older messages in one answer.', {
    live: true,
  }),
  maxTransferCountOnMessageInDisk: int(8, effective, 'Most older messages in one answer.', { min: 1, live: true }),
  diskFallRecorded: flag(true, later('complete statistics'), 'Record how far behind each consumer group is.'),

  // Retention.
  fileReservedTime: int(72, effective, 'Age at which a file may be deleted.', { unit: 'hours', live: true }),
  deleteWhen: hours([4], effective, 'Hours of the day at which old files are deleted, local time.', {
    live: true,
  }),
  diskMaxUsedSpaceRatio: percent(75, effective, 'Disk usage at which old files are deleted at any hour.', {
    min: 10,
    max: 95,
    live: true,
  }),
  cleanFileForciblyEnable: flag(
    true,
    effective,
    'Above diskSpaceCleanForciblyRatio, delete files that are not old as well.',
    {
      live: true,
    },
  ),
  cleanResourceInterval: millis(10_000, effective, 'Time between two looks for files to delete.'),
  deleteCommitLogFilesInterval: millis(100, effective, 'Pause after a deleted commit log file.', { min: 0 }),
  deleteConsumeQueueFilesInterval: millis(100, effective, 'Pause after a consume queue of which files were deleted.', {
    min: 0,
  }),
  destroyMapedFileIntervalForcibly: millis(120_000, NO_MAPPING, 'After this time a file in use is unmapped.'),
  redeleteHangedFileInterval: millis(120_000, NO_MAPPING, 'Time between two attempts to delete a file in use.'),

  // Replication.
  brokerRole: oneOf(
    ['ASYNC_MASTER', 'SYNC_MASTER', 'SLAVE'],
    'ASYNC_MASTER',
    effective,
    'SYNC_MASTER answers a send when a slave has its message, ASYNC_MASTER does not wait.',
  ),
  slaveTimeout: millis(3000, effective, 'How long SYNC_MASTER waits before it answers FLUSH_SLAVE_TIMEOUT.', {
    live: true,
  }),
  haSlaveFallbehindMax: bytes(268_435_456, effective, 'A slave that is further behind counts as not available.', {
    live: true,
  }),
  offsetCheckInSlave: flag(false, effective, 'A slave corrects offsets that are out of range, as a master does.', {
    live: true,
  }),
  haListenPort: int(10_912, without('always listenPort + 1, as in Apache 4.x'), 'Port for slaves.', { max: 65_535 }),
  haMasterAddress: {
    ...text('', effective, "Replication address of the master, in place of the name server's answer."),
    type: 'address',
    allowed: 'host:port',
    parse: (value: string) => (value === '' || parseAddress(value) !== undefined ? value : undefined),
  },
  haSendHeartbeatInterval: millis(5000, effective, 'Silence after which a heartbeat is sent.', { live: true }),
  haHousekeepingInterval: millis(20_000, effective, 'Silence after which a connection is closed.', { live: true }),
  haTransferBatchSize: bytes(32_768, effective, 'Most bytes that are sent to a slave at once.', { min: 1, live: true }),
  duplicationEnable: flag(false, without('nothing in Apache confirms duplicates'), 'Dispatch what duplicates confirm.'),

  // Delay schedule.
  messageDelayLevel: delayLevels(
    '1s 5s 10s 30s 1m 2m 3m 4m 5m 6m 7m 8m 9m 10m 20m 30m 1h 2h',
    effective,
    'Delays of the levels 1, 2, ...',
  ),
  flushDelayOffsetInterval: long(10_000, effective, 'Time between two writes of delayOffset.json.', {
    unit: 'ms',
    min: 1,
  }),
  enableScheduleMessageStats: flag(true, later('complete statistics'), 'Count deliveries of delayed messages.'),
  enableScheduleAsyncDeliver: flag(false, SCHEDULE, 'Deliver without waiting for each message.'),
  scheduleAsyncDeliverMaxPendingLimit: int(2000, SCHEDULE, 'Most such deliveries under way.', { min: 1 }),
  scheduleAsyncDeliverMaxResendNum2Blocked: int(3, SCHEDULE, 'Failures after which a level stops for a while.'),

  // What only other kinds of store have.
  enableDLegerCommitLog: flag(
    false,
    refuseTrue('DLedger has another file format and elects masters'),
    'Replicate by DLedger.',
  ),
  dLegerGroup: text('', NO_DLEDGER, 'DLedger group.'),
  dLegerPeers: text('', NO_DLEDGER, 'Members of the DLedger group.'),
  dLegerSelfId: text('', NO_DLEDGER, 'Own id in the DLedger group.'),
  preferredLeaderId: text('', NO_DLEDGER, 'Member that leads when it can.'),
  enableBatchPush: flag(false, NO_DLEDGER, 'Push entries in batches.'),
  storePathDLedgerCommitLog: text('', NO_DLEDGER, 'Directory of the DLedger log.'),
  enableLmq: flag(false, refuseTrue(LIGHT_QUEUES), 'Light message queues.'),
  enableMultiDispatch: flag(false, refuseTrue(LIGHT_QUEUES), 'Dispatch a message to several light message queues.'),
  maxLmqConsumeQueueNum: int(20_000, without('see enableLmq'), 'Most light message queues.'),
  putMsgIndexHightWater: int(600_000, without('Apache declares it and never reads it'), 'Nothing.'),
} as const satisfies SettingTable;
