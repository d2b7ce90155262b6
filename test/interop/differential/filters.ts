/** Tags and SQL92: what a broker refuses, with which words, and what it lets through. */
import { type Fields, PullFlag, pullFields, sendFields } from '../../support/remoting-client.js';
import { Code } from './codes.js';
import { heartbeat, subscriptionData } from './heartbeats.js';
import type { Intended, Part } from './part.js';
import type { Script } from './script.js';

const TOPIC = 'filters-topic';
const GROUP = 'filters-group';

const GOOD_SQL = [
  'a = 1',
  "a = 'x' AND b <> 2",
  'a BETWEEN 1 AND 3',
  'a NOT BETWEEN 1 AND 3',
  "a IN ('x', 'y')",
  "a NOT IN ('x')",
  'a IS NULL',
  'a IS NOT NULL',
  'NOT (a > 1 OR b <= 2.5)',
  'TRUE',
  'a = TRUE',
  "a = 'it''s'",
  'a > -5',
  'a = 1e3',
  'a.b = 1',
  'a > 1 -- a comment',
  '/* a comment */ a > 1',
];

const BAD_SQL = [
  '',
  ' ',
  'a',
  'a =',
  'a = = 1',
  'a BETWEEN 1 AND',
  'a BETWEEN 3 AND 1',
  "a BETWEEN 'x' AND 'y'",
  'a IN ()',
  'a IN (1, 2)',
  "a > 'x'",
  "'x' = 'y'",
  '1 = 1',
  "a LIKE 'x%'",
  'a + 1 = 2',
  'a = 1 AND',
  'a = 1 OR OR b = 2',
  '(a = 1',
  'a = 1)',
  "a = 'open",
  'a = "double"',
  'a == 1',
  'a != 1',
  'a = 1;',
  'a IS 1',
  'NOT',
  'a = 99999999999999999999',
  'a = 0x1F',
  '#',
  'a > TRUE',
  'NULL',
  'a = NULL',
  'SELECT * FROM t',
  'a && b',
];

async function run(script: Script): Promise<void> {
  await script.createTopic(TOPIC);
  for (const [n, tag] of ['A', 'B', 'A', 'C', ''].entries()) {
    await script.store(TOPIC, 0, { ...(tag === '' ? {} : { TAGS: tag }), n: String(n), UNIQ_KEY: `U${n}` });
  }
  // "Aa" and "BB" have the same hash.
  await script.store(TOPIC, 0, { TAGS: 'Aa', n: '5' });
  await script.store(TOPIC, 0, { TAGS: 'BB', n: '6' });
  // Two properties that have no value, and one that has two.
  const odd = { g: 1, i: 'e\u0001\u0002f\u0002n\u00017\u0002n\u00018' };
  await script.must(Code.SEND, sendFields(TOPIC, 0, '', odd), { body: 'hello' });
  await script.holds(TOPIC, 0, 8);
  await configs(script);
  await subscriptions(script);
  await byHeartbeat(script);
  await script.must(Code.UPDATE_CONFIG, {}, { body: 'enablePropertyFilter=false\n' });
  await check(script, 'SQL where it is off', 'n > 1', 'SQL92');
  await check(script, 'tags where SQL is off', 'A', 'TAG');
  await check(script, 'an unknown language where SQL is off', 'A', 'XPATH');
  const sql = { subscription: 'n > 1', expressionType: 'SQL92' };
  await script.ask('a pull by SQL where it is off', Code.PULL, pullFields(TOPIC, 0, 0, sql));
  await script.must(Code.UPDATE_CONFIG, {}, { body: 'enablePropertyFilter=true\n' });
}

async function check(script: Script, what: string, subString: string, expressionType: string): Promise<void> {
  const data = subscriptionData({ topic: TOPIC, subString, expressionType });
  await script.ask(what, Code.CHECK_CLIENT, {}, { body: { clientId: 'c', group: GROUP, subscriptionData: data } });
}

async function configs(script: Script): Promise<void> {
  for (const sql of [...GOOD_SQL, ...BAD_SQL]) await check(script, `SQL "${sql}"`, sql, 'SQL92');
  await check(script, 'tags', 'A || B', 'TAG');
  await check(script, 'odd tags', '||', 'TAG');
  await check(script, 'an unknown language', 'A', 'XPATH');
  await check(script, 'a language in small letters', 'a = 1', 'sql92');
  const bodies: readonly (readonly [string, string | object | undefined])[] = [
    ['no body', undefined],
    ['no JSON', 'no json'],
    ['an empty object', {}],
    ['no subscription', { clientId: 'c', group: GROUP }],
    [
      'a subscription without language',
      { clientId: 'c', group: GROUP, subscriptionData: { topic: TOPIC, subString: 'A' } },
    ],
    ['a subscription of nothing', { clientId: 'c', group: GROUP, subscriptionData: {} }],
    ['SQL without text', { clientId: 'c', group: GROUP, subscriptionData: { topic: TOPIC, expressionType: 'SQL92' } }],
    [
      'a namespace',
      { clientId: 'c', group: GROUP, namespace: 'n', subscriptionData: subscriptionData({ topic: TOPIC }) },
    ],
  ];
  for (const [what, body] of bodies)
    await script.ask(`a client config: ${what}`, Code.CHECK_CLIENT, {}, body === undefined ? {} : { body });
}

/** Pulls that bring their subscription. */
async function subscriptions(script: Script): Promise<void> {
  const pull = (what: string, more: Fields) => script.ask(what, Code.PULL, pullFields(TOPIC, 0, 0, more));
  const without = (name: string) =>
    Object.fromEntries(Object.entries(pullFields(TOPIC, 0, 0)).filter(([key]) => key !== name));
  for (const subscription of ['*', '', 'A', 'A||C', ' A || C ', 'nobody', '||', 'A||', 'Aa', 'a', '**', 'A|B', ' ']) {
    await pull(`a pull of tags "${subscription}"`, { subscription });
  }
  await script.ask('a pull without subscription', Code.PULL, without('subscription'));
  await pull('a pull of tags by name', { subscription: 'A', expressionType: 'TAG' });
  await pull('a pull of an empty language', { subscription: 'A', expressionType: '' });
  await pull('a pull of an unknown language', { subscription: 'A', expressionType: 'XPATH' });
  for (const sql of [
    'n > 1',
    "TAGS = 'A'",
    'n IS NULL',
    'e IS NULL AND n > 6',
    'f IS NOT NULL',
    'n = 8',
    'n = 7',
    'nobody IS NULL',
    'n >',
    '',
    'n BETWEEN 3 AND 1',
    'TRUE',
    'FALSE',
  ]) {
    await pull(`a pull of SQL "${sql}"`, { subscription: sql, expressionType: 'SQL92' });
  }
  await pull('a pull of SQL and a class filter', { sysFlag: PullFlag.subscription | 8 });
  await pull('a pull behind the last match', { subscription: 'C', queueOffset: 4 });
  await pull('a pull of one of many', { subscription: 'A', maxMsgNums: 1 });
}

async function byHeartbeat(script: Script): Promise<void> {
  const from = await script.connect();
  const beat = (expressionType: string, subString: string, subVersion: number) =>
    script.must(
      Code.HEARTBEAT,
      {},
      {
        from,
        body: heartbeat('f@1', [
          { groupName: GROUP, subscriptions: [{ topic: TOPIC, subString, subVersion, expressionType }] },
        ]),
      },
    );
  const pull = (what: string, more: Fields = {}) =>
    script.ask(what, Code.PULL, {
      ...pullFields(TOPIC, 0, 0),
      consumerGroup: GROUP,
      sysFlag: 0,
      subscription: '',
      ...more,
    });
  await beat('TAG', 'A', 10);
  await pull('a member that wants a tag', { subVersion: 10 });
  await beat('SQL92', 'n > 2', 11);
  await pull('a member that wants SQL now', { subVersion: 11 });
  await pull('a member that has a newer version', { subVersion: 12 });
  await script.ask('its connections', Code.CONSUMER_CONNECTIONS, { consumerGroup: GROUP });
  await script.ask('entries with its filter', Code.CONSUME_QUEUE, {
    topic: TOPIC,
    queueId: 0,
    index: 0,
    count: 2,
    consumerGroup: GROUP,
  });
  await beat('SQL92', 'n > ', 13);
  await pull('a member whose SQL cannot be read', { subVersion: 13 });
  await pull('a member whose SQL cannot be read, by its old version', { subVersion: 11 });
  await beat('SQL92', 'n > 4', 14);
  await pull('a member whose SQL can be read again', { subVersion: 14 });
  await beat('TAG', '*', 15);
  await pull('a member that wants everything', { subVersion: 15 });
  await script.must(Code.UNREGISTER, { clientID: 'f@1', consumerGroup: GROUP }, { from });
  await pull('a member that went', { subVersion: 15 });
  await beat('SQL92', 'n > ', 16);
  await pull('a member that comes with SQL that cannot be read', { subVersion: 16 });
}

const INTENDED: readonly Intended[] = [
  {
    at: 'code',
    because: 'no client leaves the topic out: ours names it',
    cases: ['a client config: a subscription of nothing'],
  },
  {
    at: 'code',
    because: 'Apache takes it for tags and finds none in it; ours takes it for tags',
    cases: ['a pull of an empty language'],
  },
  {
    at: 'code',
    because: 'Apache delivers everything to a consumer whose filter it cannot read; ours says why',
    cases: ['a pull of an unknown language', 'a pull of SQL "n >"', 'a pull of SQL "n BETWEEN 3 AND 1"'],
  },
  {
    at: 'code',
    because: 'Apache forgot its class filters and delivers everything; ours says that they are gone',
    cases: ['a pull of SQL and a class filter'],
  },
];

export const filters: Part = { name: 'filters', run, intended: INTENDED };
