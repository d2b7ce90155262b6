/** Pulls: every answer, the borders of a queue, holding. Positions and times in a queue. */
import { type Fields, PullFlag, messagesOf, pullFields } from '../../support/remoting-client.js';
import { decodeRecord } from '../harness/store-files.js';
import { Code } from './codes.js';
import type { Intended, Part } from './part.js';
import type { Asked, Script } from './script.js';

const TOPIC = 'pulls-topic';
const GROUP = 'pulls-group';
const COUNT = 40;
const HELD_MS = 700;

async function run(script: Script): Promise<void> {
  await script.createTopic(TOPIC, 3);
  await script.createTopic('pulls-closed', 1, { perm: 2 });
  await script.createTopic('pulls-uneven', 4, { readQueueNums: 2 });
  await script.createGroup(GROUP);
  await script.createGroup('pulls-off', { consumeEnable: false });
  for (let n = 0; n < COUNT; n++) await script.store(TOPIC, 0, { n: String(n) });
  await script.holds(TOPIC, 0, COUNT);
  await borders(script);
  await refusals(script);
  await commits(script);
  await held(script);
}

const fieldsOf = (queueOffset: number | string, more: Fields = {}): Fields => ({
  ...pullFields(TOPIC, 0, 0),
  consumerGroup: GROUP,
  queueOffset,
  ...more,
});

async function borders(script: Script): Promise<void> {
  for (const [queueId, offsets] of [
    [0, [0, 1, COUNT - 1, COUNT, COUNT + 1, COUNT + 1_000, -1, -1_000, '9223372036854775807', '-9223372036854775808']],
    [1, [0, 1, -1, 1_000]],
  ] as const) {
    for (const offset of offsets) {
      const fields = fieldsOf(offset, { queueId, maxMsgNums: 2 });
      await script.ask(`queue ${queueId} at ${offset}`, Code.PULL, fields);
    }
  }
  for (const maxMsgNums of [0, -1, 1, 32, 33, 100_000]) {
    await script.ask(`at most ${maxMsgNums}`, Code.PULL, fieldsOf(0, { maxMsgNums }));
  }
  for (const queueId of [-1, 3, 99, 2_147_483_647]) {
    await script.ask(`queue ${queueId}`, Code.PULL, fieldsOf(0, { queueId }));
  }
  for (const queueId of [1, 2, 3]) {
    await script.ask(
      `queue ${queueId} of a topic that has 2 to read`,
      Code.PULL,
      fieldsOf(0, { topic: 'pulls-uneven', queueId }),
    );
  }
  await script.ask('with the ROCKETMQ serialization', Code.PULL, fieldsOf(0, { maxMsgNums: 1 }), { binary: true });
  await script.ask('nothing, with the ROCKETMQ serialization', Code.PULL, fieldsOf(COUNT), { binary: true });
}

async function refusals(script: Script): Promise<void> {
  const vip = await script.connect(script.servers.vip);
  const cases: readonly (readonly [string, Fields, Asked?])[] = [
    ['a topic that is not there', fieldsOf(0, { topic: 'pulls-nobody' })],
    ['a topic that can only be written', fieldsOf(0, { topic: 'pulls-closed' })],
    ['a topic of an illegal name', fieldsOf(0, { topic: 'pulls topic' })],
    ['an empty topic', fieldsOf(0, { topic: '' })],
    ['a group that must not consume', fieldsOf(0, { consumerGroup: 'pulls-off' })],
    ['a group that nobody knows', fieldsOf(0, { consumerGroup: 'pulls-new', maxMsgNums: 1 })],
    ['an illegal group', fieldsOf(0, { consumerGroup: 'pulls group!', maxMsgNums: 1 })],
    ['an empty group', fieldsOf(0, { consumerGroup: '', maxMsgNums: 1 })],
    ['the VIP port', fieldsOf(0), { from: vip }],
    ['every flag', fieldsOf(0, { sysFlag: 31, maxMsgNums: 1 })],
    ['a lite pull', fieldsOf(0, { sysFlag: PullFlag.subscription | 16, maxMsgNums: 1 })],
    [
      'the fields of a newer client',
      fieldsOf(0, { maxMsgBytes: 100, requestSource: 0, bname: 'broker-a', lo: true, maxMsgNums: 3 }),
    ],
    ['an offset that is no number', fieldsOf('x')],
  ];
  for (const [what, fields, asked] of cases) await script.ask(what, Code.PULL, fields, asked);
  for (const name of Object.keys(fieldsOf(0))) {
    const fields = Object.entries(fieldsOf(0, { maxMsgNums: 1 })).filter(([key]) => key !== name);
    await script.ask(`without ${name}`, Code.PULL, Object.fromEntries(fields));
  }
  await script.ask('without fields', Code.PULL);
  for (const [permission, brokerPermission] of [
    ['read', 4],
    ['write', 2],
    ['nothing', 0],
  ] as const) {
    await script.must(Code.UPDATE_CONFIG, {}, { body: `brokerPermission=${brokerPermission}\n` });
    await script.ask(`from a broker that allows ${permission}`, Code.PULL, fieldsOf(0, { maxMsgNums: 1 }));
    const back = { offset: 0, group: GROUP, delayLevel: 1 };
    await script.ask(`back to a broker that allows ${permission}`, Code.SEND_BACK, { ...back, offset: 1_000_000_000 });
    await script.ask(`a topic's stats of a broker that allows ${permission}`, Code.TOPIC_STATS, {
      topic: 'pulls-closed',
    });
  }
  await script.must(Code.UPDATE_CONFIG, {}, { body: 'brokerPermission=6\n' });
}

async function commits(script: Script): Promise<void> {
  const committed = (what: string) =>
    script.ask(what, Code.QUERY_OFFSET, { consumerGroup: GROUP, topic: TOPIC, queueId: 0 });
  const commit = PullFlag.subscription | 1;
  await committed('nothing was committed yet');
  await script.ask('a pull that commits', Code.PULL, fieldsOf(0, { sysFlag: commit, commitOffset: 7, maxMsgNums: 1 }));
  await committed('what it committed');
  await script.ask(
    'a pull that finds nothing and commits',
    Code.PULL,
    fieldsOf(COUNT, { sysFlag: commit, commitOffset: 9 }),
  );
  await committed('what that committed');
  await script.ask(
    'a pull whose offset is moved and commits',
    Code.PULL,
    fieldsOf(COUNT + 50, { sysFlag: commit, commitOffset: 11 }),
  );
  await committed('what that committed, too');
  await script.ask(
    'a refused pull that commits',
    Code.PULL,
    fieldsOf(0, { sysFlag: commit, commitOffset: 13, queueId: 50 }),
  );
  await committed('what a refused one committed');
  await script.ask(
    'a pull that commits backwards',
    Code.PULL,
    fieldsOf(0, { sysFlag: commit, commitOffset: 3, maxMsgNums: 1 }),
  );
  await committed('what that one committed');
  await script.ask(
    'a pull that commits below 0',
    Code.PULL,
    fieldsOf(0, { sysFlag: commit, commitOffset: -1, maxMsgNums: 1 }),
  );
  await committed('what was committed below 0');
}

/** Apache's broker looks for pulls that are over every five seconds: all wait at once. */
async function held(script: Script): Promise<void> {
  const from = await script.connect();
  const suspend = { sysFlag: PullFlag.subscription | PullFlag.suspend, suspendTimeoutMillis: HELD_MS };
  const ask = async (what: string, offset: number, more: Fields = {}): Promise<number> => {
    const begin = performance.now();
    await script.ask(what, Code.PULL, fieldsOf(offset, { ...suspend, ...more }), { from });
    return performance.now() - begin;
  };
  const woken = ask('held until a message comes', 0, { queueId: 1, suspendTimeoutMillis: 9_000 });
  const all = [
    ask('held until a message of its tag comes', 0, { queueId: 1, suspendTimeoutMillis: 9_000, subscription: 'B' }),
    ask('held in a queue that has nothing', 0, { queueId: 2 }),
    ask('held for 0 ms', COUNT, { suspendTimeoutMillis: 0 }),
    ask('held for -1 ms', COUNT, { suspendTimeoutMillis: -1 }),
    ask('held until it is too late', COUNT),
  ];
  await ask('not held behind the end', COUNT + 1);
  await script.store(TOPIC, 1, { TAGS: 'A' });
  await woken;
  await script.store(TOPIC, 1, { TAGS: 'B' });
  const tookMs = await Promise.all(all);
  script.note('it was held', tookMs.at(-1)! >= HELD_MS);
}

async function positions(script: Script): Promise<void> {
  const topic = 'positions-topic';
  await script.createTopic(topic, 2);
  const times: number[] = [];
  for (let n = 0; n < 4; n++) {
    await script.store(topic, 0, { n: String(n) });
    await script.holds(topic, 0, n + 1);
    const { body } = await script.must(Code.PULL, pullFields(topic, 0, n));
    times.push(decodeRecord(body, 0).storeTimestamp);
    // The next one must not have the same time.
    while (Date.now() <= times[n]! + 2) await new Promise((resolve) => setImmediate(resolve));
  }
  const search = (what: string, timestamp: number | string, more: Fields = {}) =>
    script.ask(`by time: ${what}`, Code.SEARCH_OFFSET, { topic, queueId: 0, timestamp, ...more });
  for (const [n, time] of times.entries()) {
    await search(`just before ${n}`, time - 1);
    await search(`at ${n}`, time);
    await search(`just after ${n}`, time + 1);
  }
  await search('0', 0);
  await search('below 0', -1);
  await search('1970 and a bit', 1_000);
  await search('far in the future', 4_000_000_000_000);
  await search('the largest', '9223372036854775807');
  await search('an empty queue', times[0]!, { queueId: 1 });
  await search('a queue that is not there', times[0]!, { queueId: 9 });
  await search('a queue below 0', times[0]!, { queueId: -1 });
  await search('a topic that is not there', times[0]!, { topic: 'positions-nobody' });
  await search('no number', 'x');
  await search('a border of 5.x', times[1]!, { boundaryType: 'UPPER' });
  await search('date as text', '2022-01-01#00:00:00:000');
  for (const [name, code] of [
    ['max', Code.MAX_OFFSET],
    ['min', Code.MIN_OFFSET],
    ['earliest', Code.EARLIEST],
  ] as const) {
    const cases: readonly (readonly [string, Fields])[] = [
      ['of a queue', { topic, queueId: 0 }],
      ['of an empty queue', { topic, queueId: 1 }],
      ['of a queue that is not there', { topic, queueId: 9 }],
      ['of a queue below 0', { topic, queueId: -1 }],
      ['of a topic that is not there', { topic: 'positions-nobody', queueId: 0 }],
      ['of an empty topic', { topic: '', queueId: 0 }],
      ['without a queue', { topic }],
      ['without a topic', { queueId: 0 }],
      ['without fields', {}],
      ['with the fields of 5.x', { topic, queueId: 0, committed: true, bname: 'broker-a' }],
    ];
    for (const [what, fields] of cases) await script.ask(`${name} ${what}`, code, fields);
    await script.ask(`${name} with the ROCKETMQ serialization`, code, { topic, queueId: 0 }, { binary: true });
  }
  await script.ask('by time: without fields', Code.SEARCH_OFFSET);
  await script.ask('by time: without a time', Code.SEARCH_OFFSET, { topic, queueId: 0 });
  const { body } = await script.must(Code.PULL, pullFields(topic, 0, 0));
  const offsets = messagesOf(body).map(({ physicalOffset }) => physicalOffset);
  await views(script, offsets);
}

async function views(script: Script, offsets: readonly number[]): Promise<void> {
  const view = (what: string, offset: number | string, asked: Asked = {}) =>
    script.ask(`by offset: ${what}`, Code.VIEW, { offset }, asked);
  await view('a message', offsets[0]!);
  await view('inside a message', offsets[0]! + 1);
  await view('inside a message, 4 bytes on', offsets[0]! + 4);
  await view('below 0', -1);
  await view('behind the end', 1_000_000_000);
  await view('far behind the end', '9223372036854775807');
  await view('no number', 'x');
  await view('with the ROCKETMQ serialization', offsets[1]!, { binary: true });
  await script.ask('by offset: without', Code.VIEW);
}

const PULLS_INTENDED: readonly Intended[] = [
  { at: 'code', because: 'Apache falls over it; ours gives one message', cases: ['at most -1'] },
  {
    at: 'code',
    because: 'group names become names of topics and directories; every client refuses such a name itself',
    cases: ['an illegal group', 'an empty group'],
  },
  {
    at: 'code',
    because: 'Apache forgot its class filters and delivers everything; ours says that they are gone',
    cases: ['every flag'],
  },
];

export const pulls: Part = { name: 'pulls', run, intended: PULLS_INTENDED };
const PLACES_INTENDED: readonly Intended[] = [
  {
    at: 'code',
    because: 'Apache makes a queue and a directory of that number',
    cases: [
      'by time: a queue below 0',
      'max of a queue below 0',
      'min of a queue below 0',
      'earliest of a queue below 0',
    ],
  },
  {
    at: 'header',
    because:
      'Apache answers this in JSON whatever was asked in; ours in the serialization of the request, which clients read by its type byte',
    cases: ['by offset: with the ROCKETMQ serialization'],
  },
];

export const places: Part = { name: 'positions and times', run: positions, intended: PLACES_INTENDED };
