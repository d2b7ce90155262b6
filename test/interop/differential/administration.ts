/** Topics, groups, configuration and statistics, as mqadmin asks for them. */
import type { Fields } from '../../support/remoting-client.js';
import { Code } from './codes.js';
import type { Json } from './fastjson.js';
import type { Intended, Part } from './part.js';
import { groupSettings, onlyWith, type Script, shapeOf, topicFields } from './script.js';

const TOPICS: readonly (readonly [string, Fields])[] = [
  ['a topic', { topic: 'admin-topic' }],
  ['the same again, other queues', { topic: 'admin-topic', readQueueNums: 4, writeQueueNums: 2 }],
  ['fewer queues', { topic: 'admin-topic', readQueueNums: 1, writeQueueNums: 1 }],
  ['only to read', { topic: 'admin-topic', perm: 4 }],
  [
    'an ordered topic of several tags',
    { topic: 'admin-ordered', order: true, topicFilterType: 'MULTI_TAG', topicSysFlag: 1 },
  ],
  ['no queues', { topic: 'admin-none', readQueueNums: 0, writeQueueNums: 0 }],
  ['queues below 0', { topic: 'admin-negative', readQueueNums: -1, writeQueueNums: -1 }],
  ['no permission', { topic: 'admin-closed', perm: 0 }],
  ['every permission', { topic: 'admin-open', perm: 7 }],
  ['a permission that is none', { topic: 'admin-odd', perm: 8 }],
  ['a permission below 0', { topic: 'admin-odd-2', perm: -1 }],
  ['a filter type that is none', { topic: 'admin-filter', topicFilterType: 'NO_TAG' }],
  ['an illegal name', { topic: 'admin topic' }],
  ['a slash', { topic: 'admin/topic' }],
  ['an empty name', { topic: '' }],
  ['127 characters', { topic: 'a'.repeat(127) }],
  ['128 characters', { topic: 'a'.repeat(128) }],
  ['a system topic', { topic: 'SCHEDULE_TOPIC_XXXX' }],
  ['another system topic', { topic: 'RMQ_SYS_TRANS_HALF_TOPIC' }],
  ['a name like the system', { topic: 'rmq_sys_mine' }],
  ['the template', { topic: 'TBW102' }],
  ['the cluster', { topic: 'rocketmq-cluster' }],
  ['the broker', { topic: 'broker-a' }],
  ['the trace topic', { topic: 'RMQ_SYS_TRACE_TOPIC' }],
  ['a retry topic', { topic: '%RETRY%admin' }],
  ['a dead-letter topic', { topic: '%DLQ%admin' }],
  ['no number', { topic: 'admin-text', perm: 'x' }],
];

const GROUPS: readonly (readonly [string, object | string | undefined])[] = [
  ['a group', groupSettings('admin-group')],
  ['the same again, changed', { ...groupSettings('admin-group'), retryMaxTimes: 3, consumeEnable: false }],
  ['only a name', { groupName: 'admin-name' }],
  [
    'keys that nobody knows',
    { ...groupSettings('admin-more'), attributes: { a: 'b' }, groupSysFlag: 1, consumeMessageOrderly: true },
  ],
  ['fewer than no retries', { ...groupSettings('admin-negative'), retryMaxTimes: -1, retryQueueNums: -1 }],
  ['an illegal name', groupSettings('admin group!')],
  ['an empty name', groupSettings('')],
  ['255 characters', groupSettings('a'.repeat(255))],
  ['256 characters', groupSettings('a'.repeat(256))],
  ['no name', { consumeEnable: true }],
  ['no JSON', 'no json'],
  ['no body', undefined],
  ['an empty object', {}],
];

async function run(script: Script): Promise<void> {
  for (const [what, more] of TOPICS)
    await script.ask(`topic: ${what}`, Code.CREATE_TOPIC, { ...topicFields('admin', 2), ...more });
  for (const name of Object.keys(topicFields('admin', 1))) {
    const fields = Object.entries({ ...topicFields(`admin-without-${name}`, 2) }).filter(([key]) => key !== name);
    await script.ask(`topic: without ${name}`, Code.CREATE_TOPIC, Object.fromEntries(fields));
  }
  await script.ask('all topics', Code.ALL_TOPICS, {}, { pick: onlyWith('admin', 'topicConfigTable') });
  await script.ask('all topics: which tables', Code.ALL_TOPICS, {}, { pick: tablesOf });
  for (const [what, body] of GROUPS)
    await script.ask(`group: ${what}`, Code.UPDATE_GROUP, {}, body === undefined ? {} : { body });
  await script.ask('all groups', Code.ALL_GROUPS, {}, { pick: onlyWith('admin', 'subscriptionGroupTable') });
  await script.ask('all groups: which tables', Code.ALL_GROUPS, {}, { pick: tablesOf });
  await statistics(script);
  await configuration(script);
  await deletions(script);
}

/** Names at the top, and of the groups those that every broker has. */
function tablesOf(json: Json): Json {
  const tables = json as { [name: string]: { [name: string]: Json } };
  const own = Object.keys(tables.subscriptionGroupTable ?? {}).filter((name) => /^[A-Z_]+$|^CID_/.test(name));
  return { own: own.sort(), dataVersion: shapeOf(tables.dataVersion!), tables: Object.keys(tables).sort() };
}

async function statistics(script: Script): Promise<void> {
  const topic = 'admin-stats';
  await script.createTopic(topic, 2);
  for (let n = 0; n < 3; n++) await script.store(topic, 0, { TAGS: 'A' });
  await script.holds(topic, 0, 3);
  for (const consumerGroup of ['admin-stats-a', 'admin-stats-b']) {
    await script.must(Code.UPDATE_OFFSET, { consumerGroup, topic, queueId: 0, commitOffset: 2 });
  }
  const asks: readonly (readonly [string, number, Fields])[] = [
    ['of a topic', Code.TOPIC_STATS, { topic }],
    ['of a topic without messages', Code.TOPIC_STATS, { topic: 'admin-topic' }],
    ['of a topic that nobody knows', Code.TOPIC_STATS, { topic: 'admin-nobody' }],
    ['of no topic', Code.TOPIC_STATS, {}],
    ['of a group', Code.CONSUME_STATS, { consumerGroup: 'admin-stats-a' }],
    ['of a group and a topic', Code.CONSUME_STATS, { consumerGroup: 'admin-stats-a', topic }],
    ['of a group and an empty topic', Code.CONSUME_STATS, { consumerGroup: 'admin-stats-a', topic: '' }],
    [
      'of a group and a topic that nobody knows',
      Code.CONSUME_STATS,
      { consumerGroup: 'admin-stats-a', topic: 'admin-nobody' },
    ],
    [
      'of a group and a topic that it does not read',
      Code.CONSUME_STATS,
      { consumerGroup: 'admin-stats-a', topic: 'admin-topic' },
    ],
    ['of a group that nobody knows', Code.CONSUME_STATS, { consumerGroup: 'admin-nobody' }],
    ['of no group', Code.CONSUME_STATS, {}],
    ['who reads a topic', Code.CONSUMED_BY, { topic }],
    ['who reads a topic that nobody knows', Code.CONSUMED_BY, { topic: 'admin-nobody' }],
    ['who reads no topic', Code.CONSUMED_BY, {}],
    ['spans of a topic and a group', Code.TIME_SPAN, { topic, group: 'admin-stats-a' }],
    ['spans of a group that nobody knows', Code.TIME_SPAN, { topic, group: 'admin-nobody' }],
    ['spans of a topic that nobody knows', Code.TIME_SPAN, { topic: 'admin-nobody', group: 'admin-stats-a' }],
    ['spans of nothing', Code.TIME_SPAN, {}],
    ['a number that is counted', Code.STATS_DATA, { statsName: 'TOPIC_PUT_NUMS', statsKey: topic }],
    [
      'a number of a topic that nobody knows',
      Code.STATS_DATA,
      { statsName: 'TOPIC_PUT_NUMS', statsKey: 'admin-nobody' },
    ],
    ['a number that nobody counts', Code.STATS_DATA, { statsName: 'NOBODY', statsKey: topic }],
    ['no number', Code.STATS_DATA, {}],
  ];
  for (const [what, code, fields] of asks) {
    const isMeasured = code === Code.STATS_DATA || code === Code.TIME_SPAN;
    await script.ask(`statistics: ${what}`, code, fields, isMeasured ? { pick: shapeOf } : {});
  }
  const ofGroups = (json: Json) => onlyStats((json as { consumeStatsList: Json[] }).consumeStatsList);
  await script.ask(
    'statistics: how far all ordered groups are',
    Code.BROKER_CONSUME_STATS,
    { isOrder: true },
    { pick: ofGroups },
  );
  await script.ask(
    'statistics: how far all groups are',
    Code.BROKER_CONSUME_STATS,
    { isOrder: false },
    { pick: ofGroups },
  );
  await script.ask(
    'statistics: how far, not saying whether ordered',
    Code.BROKER_CONSUME_STATS,
    {},
    { pick: ofGroups },
  );
  await script.ask('statistics: with the ROCKETMQ serialization', Code.TOPIC_STATS, { topic }, { binary: true });
  await script.ask('system topics', Code.SYSTEM_TOPICS);
  // Progress of delayed messages is that of another part.
  const own = (json: Json): Json => {
    const entries = Object.entries((json as { table: { [name: string]: Json } }).table);
    return shapeOf(Object.fromEntries(entries.filter(([name]) => !name.startsWith('scheduleMessageOffset_'))));
  };
  await script.ask('runtime info', Code.RUNTIME_INFO, {}, { pick: own });
}

function onlyStats(list: readonly Json[]): Json {
  return list.filter((item) => Object.keys(item as object).some((name) => name.startsWith('admin-stats')));
}

async function configuration(script: Script): Promise<void> {
  const update = (what: string, body?: string) =>
    script.ask(`configuration: ${what}`, Code.UPDATE_CONFIG, {}, body === undefined ? {} : { body });
  await update('a key', 'maxDelayTime=40\n');
  await update('a key without a line end', 'maxDelayTime=40');
  await update('two keys', 'maxDelayTime=40\nmaxTransferCountOnMessageInMemory=32\n');
  await update('a comment', '# nothing\n');
  await update('a key that nobody knows', 'nobodyKnowsThis=1\n');
  await update('no pair', 'maxDelayTime\n');
  await update('an empty text', '');
  await update('no body');
  for (const key of [
    'brokerName',
    'listenPort',
    'maxDelayTime',
    'brokerRole',
    'messageDelayLevel',
    'enablePropertyFilter',
  ]) {
    const { body } = await script.must(Code.GET_CONFIG);
    const line = body
      .toString()
      .split('\n')
      .find((text) => text.startsWith(`${key}=`));
    script.note(`configuration: ${key}`, (line ?? 'absent').replace(/\d{5}/, 'PORT'));
  }
}

async function deletions(script: Script): Promise<void> {
  const remove = (what: string, fields: Fields) => script.ask(`topic goes: ${what}`, Code.DELETE_TOPIC, fields);
  await remove('one', { topic: 'admin-topic' });
  await remove('the same again', { topic: 'admin-topic' });
  await remove('one that nobody knows', { topic: 'admin-nobody' });
  await remove('an empty name', { topic: '' });
  await remove('an illegal name', { topic: 'admin topic' });
  await remove('a system topic', { topic: 'SCHEDULE_TOPIC_XXXX' });
  await remove('the template', { topic: 'TBW102' });
  await remove('the cluster', { topic: 'rocketmq-cluster' });
  await remove('the broker', { topic: 'broker-a' });
  await remove('no name', {});
  await remove('one with messages', { topic: 'admin-stats' });
  await script.ask('topic goes: its statistics', Code.TOPIC_STATS, { topic: 'admin-stats' });
  await script.ask('topic goes: what a group has of it', Code.QUERY_OFFSET, {
    consumerGroup: 'admin-stats-a',
    topic: 'admin-stats',
    queueId: 0,
  });
  const leave = (what: string, fields: Fields) => script.ask(`group goes: ${what}`, Code.DELETE_GROUP, fields);
  await leave('one', { groupName: 'admin-group' });
  await leave('the same again', { groupName: 'admin-group' });
  await leave('one with its offsets', { groupName: 'admin-name', removeOffset: true });
  await leave('one that nobody knows', { groupName: 'admin-nobody', removeOffset: false });
  await leave('an empty name', { groupName: '' });
  await leave('one of the system', { groupName: 'TOOLS_CONSUMER' });
  await leave('no name', {});
  await script.ask('all groups afterwards', Code.ALL_GROUPS, {}, { pick: onlyWith('admin', 'subscriptionGroupTable') });
  for (const [what, code] of [
    ['expired entries', 306],
    ['unused topics', 316],
    ['expired files', 329],
  ] as const) {
    await script.ask(`cleaning: ${what}`, code);
  }
}

const INTENDED: readonly Intended[] = [
  {
    at: 'code',
    because: 'nobody can use such a topic, and Apache keeps it for ever',
    cases: ['topic: queues below 0', 'topic: a permission that is none', 'topic: a permission below 0'],
  },
  { at: 'body.json.admin-odd', because: 'because it was not made', cases: ['all topics'] },
  { at: 'body.json.admin-odd-2', because: 'because it was not made', cases: ['all topics'] },
  { at: 'body.json.admin-negative', because: 'because it was not made', cases: ['all topics'] },
  {
    at: 'code',
    because: 'group names become names of topics and directories; every client refuses such a name itself',
    cases: ['group: an illegal name', 'group: an empty name', 'group: 256 characters'],
  },
  { at: 'body.json.admin group!', because: 'because it was not made', cases: ['all groups', 'all groups afterwards'] },
  {
    at: 'body.json.consumeTimeSpanSet',
    because: 'Apache adds each time as text in its own time zone; its readers have no use for them',
    cases: ['statistics: spans of a topic and a group', 'statistics: spans of a group that nobody knows'],
  },
  {
    at: 'code',
    because: 'Apache ignores what it cannot read, and says that it was done',
    cases: ['configuration: no pair'],
  },
  {
    at: 'fields.offset',
    because: 'offsets of a topic go with it; Apache keeps them until it comes back',
    cases: ['topic goes: what a group has of it'],
  },
];

export const administration: Part = { name: 'administration', run, intended: INTENDED };
