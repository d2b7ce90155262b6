/** A usual member of a group, and heartbeats as no client sends them. */
import { heartbeat, type Member } from './heartbeats.js';

export const TOPIC = 'consumers-topic';
export const GROUP = 'consumers-group';

export const member = (more: Partial<Member> = {}): Member => ({
  groupName: GROUP,
  subscriptions: [{ topic: TOPIC, subString: 'A || B', subVersion: 100 }],
  ...more,
});

/** Bodies that no client sends, one by one. */
export const ODD_HEARTBEATS: readonly (readonly [string, string | object | undefined])[] = [
  ['no body', undefined],
  ['an empty body', ''],
  ['no JSON', 'not json'],
  ['an array', []],
  ['an empty object', {}],
  ['no groups', { clientID: 'c' }],
  ['groups that are null', { clientID: 'c', consumerDataSet: null, producerDataSet: null }],
  ['no client id', { producerDataSet: [{ groupName: 'odd-no-id' }], consumerDataSet: [] }],
  ['a producer without a name', { clientID: 'c', producerDataSet: [{}], consumerDataSet: [] }],
  ['a consumer without a name', { clientID: 'c', producerDataSet: [], consumerDataSet: [{}] }],
  [
    'a consumer without subscriptions',
    { clientID: 'c', producerDataSet: [], consumerDataSet: [{ ...member(), groupName: 'odd-no-subscriptions' }] },
  ],
  [
    'a consumer with nothing but its name',
    { clientID: 'c', producerDataSet: [], consumerDataSet: [{ groupName: 'odd-name-only' }] },
  ],
  [
    'an unknown message model',
    {
      clientID: 'c',
      producerDataSet: [],
      consumerDataSet: [{ groupName: 'odd-model', messageModel: 'SHOUTING', subscriptionDataSet: [] }],
    },
  ],
  [
    'enums by number, a version as text, no producers, as C++ clients send them',
    {
      clientID: 'c',
      consumerDataSet: [
        {
          groupName: 'odd-cpp',
          consumeType: 1,
          messageModel: 1,
          consumeFromWhere: 4,
          subscriptionDataSet: [
            { topic: TOPIC, subString: 'A', tagsSet: ['A'], codeSet: ['65'], subVersion: '1700000000000' },
          ],
        },
      ],
      producerDataSet: [{ groupName: 'odd-cpp-producer' }],
    },
  ],
  [
    'a subscription without a topic',
    {
      clientID: 'c',
      producerDataSet: [],
      consumerDataSet: [{ groupName: 'odd-no-topic', subscriptionDataSet: [{ subString: '*' }] }],
    },
  ],
  ['an illegal group name', heartbeat('c', [{ groupName: 'odd group!' }])],
  ['a retry topic as group name', heartbeat('c', [{ groupName: '%RETRY%x' }])],
  ['a long group name', heartbeat('c', [{ groupName: 'g'.repeat(121) }])],
];
