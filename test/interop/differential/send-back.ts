/** CONSUMER_SEND_MSG_BACK with each of its refusals, and what it stores. */
import { type Fields, messagesOf, pullFields } from '../../support/remoting-client.js';
import { Code } from './codes.js';
import type { Intended, Part } from './part.js';
import { type Asked, onlyWith, type Script } from './script.js';

const TOPIC = 'back-topic';
const GROUP = 'back-group';
const RETRY = `%RETRY%${GROUP}`;
const DEAD = `%DLQ%${GROUP}`;

async function run(script: Script): Promise<void> {
  await script.createTopic(TOPIC, 2);
  await script.createGroup(GROUP, { retryMaxTimes: 2 });
  await script.createGroup('back-drop', { retryQueueNums: 0 });
  await script.createGroup('back-negative', { retryQueueNums: -1 });
  await script.createGroup('back-forbidden');
  await script.createGroup('back-never', { retryMaxTimes: 0 });
  await script.createTopic('%RETRY%back-forbidden', 1, { perm: 4 });
  const message = { UNIQ_KEY: 'U1', TAGS: 'A', KEYS: 'k', own: 'value', WAIT: 'true' };
  await script.store(TOPIC, 0, message, { f: 1, h: 9 });
  const offset = await at(script, TOPIC, 0);
  const back = (what: string, more: Fields, asked: Asked = {}) =>
    script.ask(
      what,
      Code.SEND_BACK,
      { offset, group: GROUP, delayLevel: 1, originTopic: TOPIC, unitMode: false, ...more },
      asked,
    );

  await back('a message', { originMsgId: 'origin' });
  await stored(script, 'a message', RETRY, 0);
  const again = await at(script, RETRY, 0);
  await back('a message that came back once', { offset: again });
  await stored(script, 'a message that came back once', RETRY, 1);
  const third = await at(script, RETRY, 1);
  await back('more often than the group allows', { offset: third });
  await stored(script, 'more often than the group allows', DEAD, 0);
  await back('more often than the client allows', { offset: again, maxReconsumeTimes: 1 });
  await stored(script, 'more often than the client allows', DEAD, 1);
  // What follows waits a second each: all of it at once, levels and groups such that the order is sure.
  const later: [string, string, number][] = [];
  const waits = async (
    what: string,
    topic: string,
    queueOffset: number,
    more: Fields,
    asked: Asked = {},
  ): Promise<void> => {
    await back(what, more, asked);
    later.push([what, topic, queueOffset]);
  };
  const old = { offset: again, maxReconsumeTimes: 1 };
  await waits('a client that is too old to say how often', RETRY, 2, old, { version: 120 });
  await waits('a client that says more than the group', RETRY, 3, { offset: third, maxReconsumeTimes: 9 });
  await waits('a dead letter', RETRY, 4, { offset: await at(script, DEAD, 0), maxReconsumeTimes: 99 });
  await waits('a level behind the last', '%RETRY%back-last', 0, { group: 'back-last', delayLevel: 99 });
  await waits('the level of the broker', '%RETRY%back-level', 0, { group: 'back-level', delayLevel: 0 });
  await waits('a group that nobody knows', '%RETRY%back-new', 0, { group: 'back-new' });
  await waits('a group of a unit', '%RETRY%back-unit', 0, { group: 'back-unit', unitMode: true });
  for (const [, topic, queueOffset] of later) await script.holds(topic, 0, queueOffset + 1);
  for (const [what, topic, queueOffset] of later) await stored(script, what, topic, queueOffset);
  await script.ask('queues of the retry topic of a unit', Code.TOPIC_STATS, { topic: '%RETRY%back-unit' });

  await back('to the dead letters by level', { delayLevel: -1 });
  await stored(script, 'to the dead letters by level', DEAD, 2);
  await back('a group that never retries', { group: 'back-never' });
  await stored(script, 'a group that never retries', '%DLQ%back-never', 0);
  await back('a group that drops them', { group: 'back-drop' });
  await back('a group that drops them, nowhere', { group: 'back-drop', offset: 1_000_000_000 });
  await back('a group with -1 retry queues', { group: 'back-negative' });
  await back('a retry topic without permission', { group: 'back-forbidden' });
  // A level of its own: not both brokers take it.
  await back('an illegal group', { group: 'back group!', delayLevel: 7 });
  await script.ask('what the topics are now', Code.ALL_TOPICS, {}, { pick: onlyWith('%back-', 'topicConfigTable') });
  await back('an offset behind the end', { offset: 1_000_000_000 });
  await back('an offset below 0', { offset: -1 });
  await back('the largest offset', { offset: '9223372036854775807' });
  await back('an offset inside a message', { offset: offset + 1 });
  await back('an offset that is no number', { offset: 'x' });
  await back('maxReconsumeTimes of -1', { maxReconsumeTimes: -1 });
  await stored(script, 'maxReconsumeTimes of -1', DEAD, 3);
  await back('with the ROCKETMQ serialization', {}, { binary: true });
  await script.ask('no fields', Code.SEND_BACK);
  await script.ask('no group', Code.SEND_BACK, { offset, delayLevel: 0 });
  await script.ask('no offset', Code.SEND_BACK, { group: GROUP, delayLevel: 0 });
  await script.ask('no level', Code.SEND_BACK, { group: GROUP, offset });
}

async function at(script: Script, topic: string, queueOffset: number): Promise<number> {
  await script.holds(topic, 0, queueOffset + 1);
  const { body } = await script.must(Code.PULL, pullFields(topic, 0, queueOffset));
  return messagesOf(body)[0]!.physicalOffset;
}

async function stored(script: Script, what: string, topic: string, queueOffset: number): Promise<void> {
  await script.holds(topic, 0, queueOffset + 1);
  await script.ask(`${what}: stored`, Code.PULL, pullFields(topic, 0, queueOffset, { maxMsgNums: 1 }));
}

const INTENDED: readonly Intended[] = [
  {
    at: 'code',
    because: 'group names become names of topics and directories; every client refuses such a name itself',
    cases: ['an illegal group'],
  },
];

export const sendBack: Part = { name: 'messages that come back', run, intended: INTENDED };
