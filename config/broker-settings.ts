/**
 * Keys of a broker that are neither its store's nor its network's. Names, types and defaults: BrokerConfig.java of 4.9.7,
 * and BrokerStartup.java for the two of the address server. Groups follow the sources' order by subject.
 */
import {
  addresses,
  computed,
  effective,
  flag,
  host,
  int,
  later,
  long,
  millis,
  name,
  percent,
  refuseSet,
  refuseTrue,
  type SettingTable,
  text,
  without,
} from './setting.js';

const DELIVERY = 'consumer flow control';

const POOL = without('actors on pinned threads replace the thread pools, see workerThreads');
const POOL_QUEUE = without('bounded rings replace the pool queues, see ringBytes');
const BILLING = without('belongs to a billing hook that only Alibaba Cloud has');
const DETAIL = without('it only adds the queues of delayed messages, which hangar_delayed_pending shows');
const UNUSED = without('Apache declares it and never reads it');
const BLOOM = without('the bloom filter only saves work, consumers get the same messages without it');
const NOTED = 'the bloom filter in consumerFilter.json is made for: Apache ignores a file of other settings.';
const LOOK_UP = without('no address server is asked, set namesrvAddr');

export const brokerSettings = {
  // Who it is, and where it is registered.
  brokerClusterName: name('DefaultCluster', effective, 'Cluster that the broker belongs to.'),
  brokerName: name(
    computed('host name', (facts) => facts.hostName || 'DEFAULT_BROKER'),
    effective,
    'Name that a master shares with its slaves; clients know queues by it.',
  ),
  brokerId: long(0, effective, '0 is the master, a slave has its own number above 0; a master role forces 0.', {
    min: -1,
  }),
  brokerIP1: host(
    computed('local address', (facts) => facts.localAddress),
    effective,
    'Address that clients are told, and that message ids contain. `hangar up` uses its own, see --advertise.',
  ),
  brokerIP2: host(
    computed('local address', (facts) => facts.localAddress),
    effective,
    'Address that slaves are told for replication. `hangar up` uses its own, see --advertise.',
  ),
  namesrvAddr: addresses(
    computed('environment variable NAMESRV_ADDR', (facts) => facts.namesrvAddr),
    effective,
    "Name servers to register with, all of them. `hangar up` fills in the topology's own.",
  ),
  fetchNamesrvAddrByAddressServer: flag(
    false,
    LOOK_UP,
    'Ask an HTTP server for the name servers when namesrvAddr is not set; without namesrvAddr the start is refused.',
  ),
  rmqAddressServerDomain: text('jmenv.tbsite.net', LOOK_UP, 'Host of that HTTP server.'),
  rmqAddressServerSubGroup: text('nsaddr', LOOK_UP, 'Last part of the path on that HTTP server.'),
  registerNameServerPeriod: millis(
    30_000,
    effective,
    'Time between two registrations; below 10,000 and above 60,000 the nearer of the two is used.',
  ),
  registerBrokerTimeoutMills: millis(6000, effective, 'How long a registration waits for a name server.'),
  forceRegister: flag(true, without('every registration is sent, as with true'), 'Register when nothing has changed.'),
  compressedRegister: flag(
    false,
    effective,
    'Compress registrations. Tables over 8 MiB are compressed anyway: they would not fit into a frame.',
  ),
  rocketmqHome: text(
    computed('environment variable ROCKETMQ_HOME', (facts) => facts.rocketmqHome),
    without('no installation directory is needed'),
    "Apache's installation directory.",
  ),

  // Topics and groups.
  brokerPermission: int(6, effective, 'Sum of 4 (read), 2 (write) and 1 (inherit): what clients may do here.', {
    max: 7,
    live: true,
  }),
  autoCreateTopicEnable: flag(true, effective, 'A send to an unknown topic creates it from TBW102.', { live: true }),
  defaultTopicQueueNums: int(8, effective, 'Queues of TBW102: the most that a topic created by a send gets.', {
    min: 1,
    max: 65_536,
  }),
  clusterTopicEnable: flag(true, effective, 'Create a topic named after the cluster; admin tools look up its route.'),
  brokerTopicEnable: flag(true, effective, 'Create a topic named after the broker.'),
  autoCreateSubscriptionGroup: flag(true, effective, 'An unknown consumer group is created on its first request.', {
    live: true,
  }),
  notifyConsumerIdsChangedEnable: flag(true, effective, 'Tell the members of a group at once when one comes or goes.', {
    live: true,
  }),
  flushConsumerOffsetInterval: millis(5000, effective, 'Time between two writes of consumerOffset.json.'),
  flushConsumerOffsetHistoryInterval: millis(60_000, UNUSED, 'Time between two writes of the offset history.'),

  // Send.
  startAcceptSendRequestTimeStamp: long(0, effective, 'Sends are refused before this time.', {
    unit: 'ms since 1970',
    live: true,
  }),
  regionId: text('DefaultRegion', effective, 'Region that answers to sends name, for message traces.', { live: true }),
  traceOn: flag(true, effective, 'Whether answers to sends ask clients to trace.', { live: true }),
  traceTopicEnable: flag(false, effective, 'Create the trace topic.'),
  msgTraceTopicName: text('RMQ_SYS_TRACE_TOPIC', effective, 'Name of the trace topic.'),
  storeReplyMessageEnable: flag(true, effective, 'Store replies before they are pushed.', { live: true }),
  rejectTransactionMessage: flag(false, effective, 'Refuse half messages.', { live: true }),
  transactionTimeOut: long(6000, effective, 'Age at which a half message is checked first.', { unit: 'ms' }),
  transactionCheckMax: int(15, effective, 'Checks after which a half message is given up.', { min: 1 }),
  transactionCheckInterval: long(60_000, effective, 'Time between two rounds of checks.', {
    unit: 'ms',
    min: 1,
  }),

  // Pull.
  longPollingEnable: flag(
    true,
    effective,
    'Hold a pull that finds nothing until a message comes or its time is over.',
    {
      live: true,
    },
  ),
  shortPollingTimeMills: long(1000, effective, 'How long such a pull is held when longPollingEnable is false.', {
    unit: 'ms',
    live: true,
  }),
  transferMsgByHeap: flag(
    true,
    without('messages are always copied into the answer'),
    'Copy messages into the answer.',
  ),
  slaveReadEnable: flag(false, effective, 'Suggest the slave to consumers that are far behind.', {
    live: true,
  }),
  disableConsumeIfConsumerReadSlowly: flag(false, later(DELIVERY), 'Stop groups that have fallen too far behind.'),
  consumerFallbehindThreshold: long(17_179_869_184, later(DELIVERY), 'How far behind that is.', { unit: 'bytes' }),
  maxDelayTime: int(40, UNUSED, 'Nothing.'),
  highSpeedMode: flag(false, UNUSED, 'Nothing.'),

  // Filters.
  enablePropertyFilter: flag(false, effective, 'Accept SQL92 subscriptions.', { live: true }),
  filterSupportRetry: flag(false, effective, 'Filter the retry topic by the filter of the original topic.', {
    live: true,
  }),
  filterDataCleanTimeSpan: long(86_400_000, effective, 'How long the filters of an absent consumer are kept.', {
    unit: 'ms',
  }),
  enableCalcFilterBitMap: flag(false, BLOOM, 'Evaluate filters at dispatch into a bloom filter.'),
  expectConsumerNumUseFilter: int(32, effective, `Consumers with filters per topic that ${NOTED}`, { min: 1 }),
  maxErrorRateOfBloomFilter: percent(20, effective, `False positives that ${NOTED}`, { min: 1, max: 99 }),
  filterServerNums: int(0, without('class-filter servers are gone since 4.3'), 'Class-filter servers to start.'),

  // Overload.
  brokerFastFailureEnable: flag(true, effective, 'Answer requests that waited too long with SYSTEM_BUSY.', {
    live: true,
  }),
  waitTimeMillsInSendQueue: long(200, effective, 'How long a send may wait.', { unit: 'ms', live: true }),
  waitTimeMillsInPullQueue: long(5000, effective, 'How long a pull may wait.', { unit: 'ms', live: true }),
  waitTimeMillsInHeartbeatQueue: long(31_000, effective, 'How long a heartbeat may wait.', {
    unit: 'ms',
    live: true,
  }),
  waitTimeMillsInTransactionQueue: long(3000, effective, 'How long an END_TRANSACTION may wait.', {
    unit: 'ms',
    live: true,
  }),

  // Access.
  aclEnable: flag(
    false,
    refuseTrue('access control is not there yet, the broker would serve everybody'),
    'Check signatures and permissions by plain_acl.yml.',
  ),
  messageStorePlugIn: text('', refuseSet('a Java class cannot be loaded'), 'Java class that wraps the store.'),

  // Statistics and log.
  enableDetailStat: flag(true, DETAIL, 'Count per queue as well.'),
  autoDeleteUnusedStats: flag(false, effective, 'Forget the statistics of deleted topics and groups.'),
  isolateLogEnable: flag(false, without('the process has one log'), 'A log directory for each broker of a host.'),
  commercialEnable: flag(true, BILLING, 'Count for billing.'),
  commercialTimerCount: int(1, BILLING, 'Factor for delayed messages.'),
  commercialTransCount: int(1, BILLING, 'Factor for transactions.'),
  commercialBigCount: int(1, BILLING, 'Factor for large messages.'),
  commercialBaseCount: int(1, BILLING, 'Factor for messages.'),

  // Thread pools of the Java broker.
  sendMessageThreadPoolNums: int(
    computed('min(cores, 4)', (facts) => Math.min(facts.cores, 4)),
    POOL,
    'Threads for sends.',
  ),
  putMessageFutureThreadPoolNums: int(
    computed('min(cores, 4)', (facts) => Math.min(facts.cores, 4)),
    POOL,
    'Threads for what follows a flush.',
  ),
  pullMessageThreadPoolNums: int(
    computed('16 + 2 x cores', (facts) => 16 + 2 * facts.cores),
    POOL,
    'Threads for pulls.',
  ),
  processReplyMessageThreadPoolNums: int(
    computed('16 + 2 x cores', (facts) => 16 + 2 * facts.cores),
    POOL,
    'Threads for replies.',
  ),
  queryMessageThreadPoolNums: int(
    computed('8 + cores', (facts) => 8 + facts.cores),
    POOL,
    'Threads for queries.',
  ),
  adminBrokerThreadPoolNums: int(16, POOL, 'Threads for admin requests.'),
  clientManageThreadPoolNums: int(32, POOL, 'Threads for client management.'),
  consumerManageThreadPoolNums: int(32, POOL, 'Threads for offsets and consumer lists.'),
  heartbeatThreadPoolNums: int(
    computed('min(cores, 32)', (facts) => Math.min(facts.cores, 32)),
    POOL,
    'Threads for heartbeats.',
  ),
  endTransactionThreadPoolNums: int(
    computed('max(8 + 2 x cores, 4 x min(cores, 4))', (facts) =>
      Math.max(8 + 2 * facts.cores, 4 * Math.min(facts.cores, 4)),
    ),
    POOL,
    'Threads for END_TRANSACTION.',
  ),
  sendThreadPoolQueueCapacity: int(10_000, POOL_QUEUE, 'Sends that may wait; brokerStatus prints it.'),
  putThreadPoolQueueCapacity: int(10_000, POOL_QUEUE, 'Steps after a flush that may wait.'),
  pullThreadPoolQueueCapacity: int(100_000, POOL_QUEUE, 'Pulls that may wait; brokerStatus prints it.'),
  replyThreadPoolQueueCapacity: int(10_000, POOL_QUEUE, 'Replies that may wait.'),
  queryThreadPoolQueueCapacity: int(20_000, POOL_QUEUE, 'Queries that may wait; brokerStatus prints it.'),
  clientManagerThreadPoolQueueCapacity: int(1_000_000, POOL_QUEUE, 'Client management requests that may wait.'),
  consumerManagerThreadPoolQueueCapacity: int(1_000_000, POOL_QUEUE, 'Offset requests that may wait.'),
  heartbeatThreadPoolQueueCapacity: int(50_000, POOL_QUEUE, 'Heartbeats that may wait.'),
  endTransactionPoolQueueCapacity: int(100_000, POOL_QUEUE, 'END_TRANSACTIONs that may wait; brokerStatus prints it.'),
} as const satisfies SettingTable;
