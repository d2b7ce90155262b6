/** LOCK_BATCH_MQ and UNLOCK_BATCH_MQ. */
import { Code } from './codes.js';
import type { Intended, Part } from './part.js';
import type { Script } from './script.js';

const queue = (queueId: number, topic = 'locks-topic', brokerName = 'broker-a') => ({ brokerName, queueId, topic });
const batch = (clientId: string, mqSet: unknown, consumerGroup: unknown = 'locks-group') => ({
  clientId,
  consumerGroup,
  mqSet,
});

/** In this order: each sees what those before it left. */
const STEPS: readonly (readonly [string, number, object | string | undefined])[] = [
  ['two queues', Code.LOCK, batch('a', [queue(0), queue(1)])],
  ['the same again', Code.LOCK, batch('a', [queue(0), queue(1)])],
  ['another client, one of them and a free one', Code.LOCK, batch('b', [queue(1), queue(2)])],
  ['another group', Code.LOCK, batch('b', [queue(0), queue(1)], 'locks-other')],
  ['unlock by who does not have it', Code.UNLOCK, batch('b', [queue(0)])],
  ['still not free', Code.LOCK, batch('b', [queue(0)])],
  ['unlock', Code.UNLOCK, batch('a', [queue(0)])],
  ['free now', Code.LOCK, batch('b', [queue(0)])],
  ['unlock what was never locked', Code.UNLOCK, batch('a', [queue(77)])],
  ['unlock of a group that nobody knows', Code.UNLOCK, batch('a', [queue(0)], 'locks-nobody')],
  ['a topic and a queue that are not there', Code.LOCK, batch('a', [queue(-5, 'locks-missing')])],
  ['a queue of another broker', Code.LOCK, batch('a', [queue(0, 'locks-topic', 'broker-z')])],
  ['a queue without a broker', Code.LOCK, batch('a', [{ topic: 'locks-topic', queueId: 9 }])],
  ['a queue without anything', Code.LOCK, batch('a', [{}])],
  ['no queues', Code.LOCK, batch('a', [])],
  ['queues that are null', Code.LOCK, batch('a', null)],
  ['queues that are missing', Code.LOCK, { clientId: 'a', consumerGroup: 'locks-group' }],
  ['no client', Code.LOCK, { consumerGroup: 'locks-no-client', mqSet: [queue(0)] }],
  ['no group', Code.LOCK, { clientId: 'a', mqSet: [queue(0)] }],
  ['an empty object', Code.LOCK, {}],
  ['no body', Code.LOCK, undefined],
  ['no JSON', Code.LOCK, 'no json'],
  ['unlock of an empty object', Code.UNLOCK, {}],
  ['unlock without a body', Code.UNLOCK, undefined],
  ['unlock without queues', Code.UNLOCK, batch('a', [])],
];

async function run(script: Script): Promise<void> {
  await script.createTopic('locks-topic', 4);
  for (const [what, code, body] of STEPS) {
    await script.ask(what, code, {}, body === undefined ? {} : { body });
  }
  await script.ask('with the ROCKETMQ serialization', Code.LOCK, {}, { binary: true, body: batch('a', [queue(3)]) });
}

const INTENDED: readonly Intended[] = [
  {
    at: 'code',
    because: 'no client leaves these out: ours names what is missing, Apache locks a queue of nobody',
    cases: ['a queue without a broker', 'a queue without anything', 'an empty object'],
  },
  { at: 'code', because: 'null and nothing are the same; Apache falls over it', cases: ['queues that are null'] },
];

export const locks: Part = { name: 'locks of orderly consumers', run, intended: INTENDED };
