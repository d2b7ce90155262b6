/** Offsets of groups: commits, questions, resets, clones; what an online consumer hears of a reset. */
import type { Fields } from '../../support/remoting-client.js';
import { Code } from './codes.js';
import { heartbeat } from './heartbeats.js';
import type { Intended, Part } from './part.js';
import { onlyWith, type Script } from './script.js';

const TOPIC = 'offsets-topic';
const GROUP = 'offsets-group';

async function run(script: Script): Promise<void> {
  await script.createTopic(TOPIC, 2);
  for (let n = 0; n < 5; n++) await script.store(TOPIC, 0, { n: String(n) });
  await script.store(TOPIC, 1);
  await script.holds(TOPIC, 0, 5);
  await script.holds(TOPIC, 1, 1);
  await commits(script);
  await clones(script);
  await corrections(script);
  await resets(script);
  await incomplete(script);
}

const place = (more: Fields = {}): Fields => ({ consumerGroup: GROUP, topic: TOPIC, queueId: 0, ...more });

async function commits(script: Script): Promise<void> {
  const query = (what: string, more: Fields = {}) => script.ask(`query: ${what}`, Code.QUERY_OFFSET, place(more));
  const commit = (what: string, more: Fields = {}) =>
    script.ask(`commit: ${what}`, Code.UPDATE_OFFSET, place({ commitOffset: 3, ...more }));
  await query('before any commit');
  await query('a group that nobody knows', { consumerGroup: 'offsets-nobody' });
  await query('a topic that nobody knows', { topic: 'offsets-missing' });
  await query('a queue that is not there', { queueId: 9 });
  await query('a queue below 0', { queueId: -1 });
  await query('no number', { queueId: 'x' });
  await query('fields of newer clients', { setZeroIfNotFound: false, bname: 'broker-a', lo: true, nsd: 'x' });
  await commit('an offset');
  await query('after a commit');
  await commit('one that is smaller', { commitOffset: 1 });
  await query('after a smaller one');
  await commit('behind the end', { commitOffset: 1_000 });
  await query('after one behind the end');
  await commit('below 0', { commitOffset: -1 });
  await query('after one below 0');
  await commit('as text', { commitOffset: 'x' });
  await commit('to a topic that nobody knows', { topic: 'offsets-missing' });
  await query('a topic that nobody knows, after a commit', { topic: 'offsets-missing' });
  await commit('to a queue that is not there', { queueId: 9 });
  await query('a queue that is not there, after a commit', { queueId: 9 });
  await commit('by a group that nobody knows', { consumerGroup: 'offsets-new' });
  await commit('by an illegal group', { consumerGroup: 'offsets group!' });
  await query('an illegal group', { consumerGroup: 'offsets group!' });
  await script.mayAsk('commit: without an answer', Code.UPDATE_OFFSET, place({ commitOffset: 4 }), { flag: 2 });
  await query('after a commit without an answer');
  await script.ask('query: ROCKETMQ serialization', Code.QUERY_OFFSET, place(), { binary: true });
  await script.ask('commit: ROCKETMQ serialization', Code.UPDATE_OFFSET, place({ commitOffset: 2 }), { binary: true });
  await script.ask(
    'query: nothing found, ROCKETMQ serialization',
    Code.QUERY_OFFSET,
    place({ topic: 'offsets-none' }),
    { binary: true },
  );
  await script.ask('all offsets', Code.ALL_OFFSETS, {}, { pick: onlyWith(TOPIC, 'offsetTable') });
  await script.ask(
    'all offsets, ROCKETMQ serialization',
    Code.ALL_OFFSETS,
    {},
    { binary: true, pick: onlyWith(TOPIC, 'offsetTable') },
  );
}

/** At the end: with an offset of no group Apache's broker cannot answer 308 any more. */
async function incomplete(script: Script): Promise<void> {
  const fields = place({ commitOffset: 3 });
  await script.ask('commit: by an empty group', Code.UPDATE_OFFSET, { ...fields, consumerGroup: '' });
  await script.ask('query: an empty group', Code.QUERY_OFFSET, { ...fields, consumerGroup: '' });
  for (const name of Object.keys(fields)) {
    const kept = Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name));
    await script.ask(`commit: without ${name}`, Code.UPDATE_OFFSET, kept);
    if (name !== 'commitOffset') await script.ask(`query: without ${name}`, Code.QUERY_OFFSET, kept);
  }
  await script.ask('clone: without a destination', Code.CLONE_OFFSETS, { srcGroup: GROUP, topic: TOPIC });
}

async function clones(script: Script): Promise<void> {
  const clone = async (what: string, fields: Fields): Promise<void> => {
    await script.ask(`clone: ${what}`, Code.CLONE_OFFSETS, fields);
    const consumerGroup = String(fields.destGroup ?? 'offsets-clone');
    await script.ask(`clone: ${what}: queue 0`, Code.QUERY_OFFSET, place({ consumerGroup }));
    await script.ask(`clone: ${what}: queue 1`, Code.QUERY_OFFSET, place({ consumerGroup, queueId: 1 }));
  };
  await clone('of a topic', { srcGroup: GROUP, destGroup: 'offsets-clone', topic: TOPIC, offline: false });
  await clone('of every topic', { srcGroup: GROUP, destGroup: 'offsets-clone-all', offline: true });
  await clone('of an empty topic', { srcGroup: GROUP, destGroup: 'offsets-clone-empty', topic: '' });
  await clone('of a topic that nobody knows', {
    srcGroup: GROUP,
    destGroup: 'offsets-clone-missing',
    topic: 'offsets-missing',
  });
  await clone('of a group that nobody knows', {
    srcGroup: 'offsets-nobody',
    destGroup: 'offsets-clone-none',
    topic: TOPIC,
  });
  await clone('of a group that nobody knows, every topic', {
    srcGroup: 'offsets-nobody',
    destGroup: 'offsets-clone-none-2',
  });
  await clone('without a source', { destGroup: 'offsets-clone-3', topic: TOPIC });
  await script.ask('clone: without fields', Code.CLONE_OFFSETS);
}

/** Once each: Apache's broker forgets the offsets of the groups that are left out. */
async function corrections(script: Script): Promise<void> {
  const topic = 'offsets-corrections';
  await script.createTopic(topic, 2);
  for (const [consumerGroup, queueId, commitOffset] of [
    ['corrections-a', 0, 3],
    ['corrections-a', 1, 1],
    ['corrections-b', 0, 5],
    ['corrections-c', 0, 2],
    ['corrections-c', 1, 7],
  ] as const) {
    await script.must(Code.UPDATE_OFFSET, { topic, consumerGroup, queueId, commitOffset });
  }
  const ask = (what: string, fields: Fields) =>
    script.ask(`correction: ${what}`, Code.CORRECTION, { topic, ...fields });
  await ask('of a group', { compareGroup: 'corrections-a' });
  await ask('of the group that is behind', { compareGroup: 'corrections-c', filterGroups: '' });
  await ask('of a group that nobody knows', { compareGroup: 'corrections-nobody' });
  await ask('of a topic that nobody knows', { topic: 'offsets-none', compareGroup: 'corrections-a' });
  await ask('with a group left out', { compareGroup: 'corrections-b', filterGroups: 'corrections-c' });
  await ask('with groups left out', { compareGroup: 'corrections-a', filterGroups: 'corrections-b,corrections-c,' });
  await script.ask('correction: without a topic', Code.CORRECTION, { compareGroup: 'corrections-a' });
  await ask('without a group', {});
  await script.ask('correction: without fields', Code.CORRECTION);
}

async function resets(script: Script): Promise<void> {
  const topic = 'offsets-resets';
  await script.createTopic(topic, 2);
  for (let n = 0; n < 4; n++) await script.store(topic, n % 2);
  for (const queueId of [0, 1]) await script.holds(topic, queueId, 2);
  const fields = { topic, group: 'resets-group', timestamp: -1, isForce: true };
  const reset = (what: string, more: Fields = {}, asked: { language?: string } = {}) =>
    script.ask(`reset: ${what}`, Code.RESET_OFFSET, { ...fields, ...more }, asked);
  await reset('nothing was committed');
  for (const queueId of [0, 1]) {
    await script.must(Code.UPDATE_OFFSET, { consumerGroup: 'resets-group', topic, queueId, commitOffset: 1 });
  }
  await reset('nobody is online');
  await reset('a topic that nobody knows', { topic: 'offsets-none' });
  await reset('a group that nobody knows', { group: 'resets-nobody' });
  await reset('no number', { timestamp: 'x' });
  await script.ask('reset: without fields', Code.RESET_OFFSET);
  await script.ask('status: nobody is online', Code.CONSUMER_STATUS, { topic, group: 'resets-group' });
  await script.ask('status: without fields', Code.CONSUMER_STATUS);
  const member = await script.connect();
  const beat = heartbeat('r@1', [{ groupName: 'resets-group', subscriptions: [{ topic }] }]);
  await script.must(Code.HEARTBEAT, {}, { from: member, body: beat });
  await script.heard('what a member hears of itself', member);
  for (const [what, more] of [
    ['to the end', {}],
    ['to the beginning', { timestamp: 0 }],
    ['to the end without force', { isForce: false }],
    ['to the beginning without force', { timestamp: 0, isForce: false }],
    ['to what is far in the future', { timestamp: 4_000_000_000_000 }],
    ['to a time below -1', { timestamp: -5 }],
    ['without saying whether by force', { isForce: '' }],
  ] as const) {
    await reset(what, more);
    await script.heard(`reset: ${what}: what the member hears`, member);
  }
  await reset('asked by C++', {}, { language: 'CPP' });
  await script.heard('reset: asked by C++: what the member hears', member);
  await script.ask('offsets after resets', Code.QUERY_OFFSET, { consumerGroup: 'resets-group', topic, queueId: 0 });
  const status = script.ask('status: of a member', Code.CONSUMER_STATUS, { topic, group: 'resets-group' });
  const table = `{"messageQueueTable":{{"brokerName":"broker-a","queueId":0,"topic":"${topic}"}:7}}`;
  await script.pushedAndAnswered('status: what the member is asked', member, 0, {}, table);
  await status;
  await script.ask('status: of another client', Code.CONSUMER_STATUS, {
    topic,
    group: 'resets-group',
    clientAddr: 'nobody',
  });
  await oldMember(script, topic);
}

/** A client that is older than these requests. */
async function oldMember(script: Script, topic: string): Promise<void> {
  const member = await script.connect();
  const beat = heartbeat('r@old', [{ groupName: 'resets-old', subscriptions: [{ topic }] }]);
  await script.must(Code.HEARTBEAT, {}, { from: member, body: beat, version: 20 });
  await script.heard('what an old member hears of itself', member);
  for (const queueId of [0, 1]) {
    await script.must(Code.UPDATE_OFFSET, { consumerGroup: 'resets-old', topic, queueId, commitOffset: 1 });
  }
  const fields = { topic, group: 'resets-old', timestamp: -1, isForce: true };
  await script.ask('reset: of an old member', Code.RESET_OFFSET, fields);
  await script.ask('status: of an old member', Code.CONSUMER_STATUS, { topic, group: 'resets-old' });
  await script.ask('running info: of an old member', Code.RUNNING_INFO, {
    consumerGroup: 'resets-old',
    clientId: 'r@old',
  });
  await script.heard('what an old member hears of all that', member);
}

const INTENDED: readonly Intended[] = [
  { at: 'code', because: 'Apache makes a queue and a directory of that number', cases: ['query: a queue below 0'] },
  {
    at: 'fields.offset',
    because: 'Apache clones the topic that the request does not name, which is none',
    cases: ['clone: of every topic: queue 0', 'clone: of an empty topic: queue 0'],
  },
  { at: 'code', because: 'Apache reads 0, which sets every queue to its beginning', cases: ['reset: no number'] },
  {
    at: 'code',
    because: 'no client leaves it out, and Apache takes the word null for it: ours names what is missing',
    cases: [
      'correction: without a group',
      'commit: without consumerGroup',
      'query: without consumerGroup',
      'commit: without topic',
      'query: without topic',
      'clone: without a destination',
    ],
  },
];

export const offsets: Part = { name: 'offsets', run, intended: INTENDED };
