/** Levels of delay; the broker of this test has 18 of a second or less. */
import { pullFields, sendFields } from '../../support/remoting-client.js';
import { Code } from './codes.js';
import type { Intended, Part } from './part.js';
import type { Script } from './script.js';

const TOPIC = 'delayed-topic';
const RETRY = '%RETRY%delayed-group';

const LEVELS = ['0', '1', '18', '19', '99', '-1', '-99', '', ' ', '1 ', '+2', '1.5', 'x', '2147483647', '2147483648'];

/** Behind those of the levels: what becomes due first is nobody's choice. */
const WAIT_QUEUE = LEVELS.length;

async function run(script: Script): Promise<void> {
  await script.createTopic(TOPIC, LEVELS.length + 1);
  await script.createTopic('delayed-multi-tag', 1, { topicFilterType: 'MULTI_TAG' });
  await script.createGroup('delayed-group');
  const taken: number[] = [];
  for (const [queueId, level] of LEVELS.entries()) {
    const fields = sendFields(TOPIC, queueId, `DELAY\u0001${level}\u0002TAGS\u0001A\u0002KEYS\u0001k${queueId}`, {
      g: 1234,
    });
    const { code } = await script.ask(`level "${level}"`, Code.SEND, fields, { body: 'hello' });
    if (code === 0) taken.push(queueId);
  }
  const others: readonly (readonly [string, string, number, string])[] = [
    ['to a queue that the client says', TOPIC, 0, 'DELAY\u00011\u0002REAL_TOPIC\u0001mine\u0002REAL_QID\u00017'],
    ['to a topic of several tags', 'delayed-multi-tag', 0, 'DELAY\u00011\u0002TAGS\u0001A'],
    ['to a retry topic', RETRY, 0, 'DELAY\u00011'],
    ['with WAIT', TOPIC, WAIT_QUEUE, 'DELAY\u00012\u0002WAIT\u0001true'],
    ['a half message with a level', TOPIC, 2, 'DELAY\u00015\u0002TRAN_MSG\u0001true\u0002PGROUP\u0001p'],
  ];
  for (const [what, topic, queueId, properties] of others) {
    await script.ask(what, Code.SEND, sendFields(topic, queueId, properties, { g: 1234 }), { body: 'hello' });
  }
  await script.ask(
    'to the retry topic by an old client, as half message',
    Code.SEND,
    sendFields(RETRY, 0, 'DELAY\u00016\u0002TRAN_MSG\u0001true', { g: 1234, j: 1 }),
    { body: 'hello' },
  );
  for (const queueId of taken) await script.holds(TOPIC, queueId, queueId === 0 ? 2 : 1);
  for (const queueId of taken) {
    await script.ask(
      `level "${LEVELS[queueId]}": delivered`,
      Code.PULL,
      pullFields(TOPIC, queueId, 0, { maxMsgNums: 1 }),
    );
  }
  await script.ask('to a queue that the client says: delivered', Code.PULL, pullFields(TOPIC, 0, 1));
  await script.holds(TOPIC, WAIT_QUEUE, 1);
  await script.ask('with WAIT: delivered', Code.PULL, pullFields(TOPIC, WAIT_QUEUE, 0));
  await script.holds('delayed-multi-tag', 0, 1);
  await script.ask('to a topic of several tags: delivered', Code.PULL, pullFields('delayed-multi-tag', 0, 0));
  await script.holds(RETRY, 0, 1);
  await script.ask('to a retry topic: delivered', Code.PULL, pullFields(RETRY, 0, 0, { maxMsgNums: 1 }));
  await script.ask('progress', Code.DELAY_OFFSETS);
  await script.ask('a pull of the schedule topic', Code.PULL, pullFields('SCHEDULE_TOPIC_XXXX', 0, 0));
}

const INTENDED: readonly Intended[] = [
  {
    at: 'fields.queueOffset',
    because: 'as for transactions: ours is a half message first, so that the answer has the offset of the other topic',
    cases: ['a half message with a level', 'to the retry topic by an old client, as half message'],
  },
  {
    at: 'body',
    because: 'ours tells what delayOffset.json says: only what is on disk counts as delivered',
    cases: ['progress'],
  },
];

export const delayed: Part = { name: 'delayed messages', run, intended: INTENDED };
