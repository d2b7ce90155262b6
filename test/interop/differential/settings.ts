/** The same requests under other settings of the broker, changed while it runs. */
import { type Fields, PullFlag, pullFields, sendFields } from '../../support/remoting-client.js';
import { Code } from './codes.js';
import { heartbeat } from './heartbeats.js';
import type { Part } from './part.js';
import type { Script } from './script.js';

const TOPIC = 'settings-topic';
const GROUP = 'settings-group';

interface Setting {
  readonly key: string;
  readonly value: string;
  /** What it is otherwise. */
  readonly usual: string;
  readonly asks: (script: Script, name: (what: string) => string) => Promise<void>;
}

async function send(
  script: Script,
  what: string,
  topic: string,
  more: Fields = {},
  code: number = Code.SEND,
): Promise<void> {
  await script.ask(what, code, sendFields(topic, 0, '', { g: 1, ...more }), { body: 'hello' });
}

async function pull(script: Script, what: string, more: Fields = {}): Promise<void> {
  await script.ask(what, Code.PULL, { ...pullFields(TOPIC, 0, 0), consumerGroup: GROUP, maxMsgNums: 1, ...more });
}

const SETTINGS: readonly Setting[] = [
  {
    key: 'brokerPermission',
    value: '4',
    usual: '6',
    asks: async (script, name) => {
      await send(script, name('a send'), TOPIC);
      await send(script, name('a send to an ordered topic'), 'settings-ordered');
      await send(script, name('a send to a new topic'), 'settings-new-read');
      await script.ask(name('a reply'), Code.REPLY, sendFields('rocketmq-cluster_REPLY_TOPIC', 0, '', { g: 1 }), {
        body: 'x',
      });
      await pull(script, name('a pull'));
    },
  },
  {
    key: 'autoCreateTopicEnable',
    value: 'false',
    usual: 'true',
    asks: async (script, name) => {
      await send(script, name('a send to a new topic'), 'settings-new-auto');
      await send(script, name('a send to a new retry topic'), '%RETRY%settings-new-auto');
      await send(script, name('a send to a new topic after another one'), 'settings-new-auto-2', {
        c: 'rocketmq-cluster',
      });
    },
  },
  {
    key: 'autoCreateSubscriptionGroup',
    value: 'false',
    usual: 'true',
    asks: async (script, name) => {
      await pull(script, name('a pull of a new group'), { consumerGroup: 'settings-new-group' });
      await pull(script, name('a pull of a known group'));
      await script.ask(name('a message of a new group comes back'), Code.SEND_BACK, {
        offset: 0,
        group: 'settings-new-group',
        delayLevel: 1,
      });
      await send(script, name('a send to the retry topic of a new group'), '%RETRY%settings-new-group', { j: 1 });
      const from = await script.connect();
      const body = heartbeat('s@1', [{ groupName: 'settings-new-member', subscriptions: [{ topic: TOPIC }] }]);
      await script.ask(name('a heartbeat of a new group'), Code.HEARTBEAT, {}, { from, body });
      await script.heard(name('what a member of a new group hears'), from);
      await script.ask(name('consumers of a new group'), Code.CONSUMER_LIST, { consumerGroup: 'settings-new-member' });
      await script.ask(name('the retry topic of a new group'), Code.TOPIC_STATS, {
        topic: '%RETRY%settings-new-member',
      });
      await script.ask(
        name('a member of a new group goes'),
        Code.UNREGISTER,
        {
          clientID: 's@1',
          consumerGroup: 'settings-new-member',
        },
        { from },
      );
    },
  },
  {
    key: 'slaveReadEnable',
    value: 'true',
    usual: 'false',
    asks: async (script, name) => {
      await pull(script, name('a pull'));
      await pull(script, name('a pull of a group that reads elsewhere'), { consumerGroup: 'settings-elsewhere' });
      await pull(script, name('a pull that is moved'), { consumerGroup: 'settings-elsewhere', queueOffset: 99 });
    },
  },
  {
    key: 'longPollingEnable',
    value: 'false',
    usual: 'true',
    asks: async (script, name) => {
      const suspend = {
        sysFlag: PullFlag.subscription | PullFlag.suspend,
        suspendTimeoutMillis: 60_000,
        queueOffset: 1,
      };
      await pull(script, name('a pull that would wait'), suspend);
    },
  },
  {
    key: 'traceOn',
    value: 'false',
    usual: 'true',
    asks: async (script, name) => {
      await send(script, name('a send'), TOPIC);
      await send(script, name('a refused send'), 'settings topic');
    },
  },
  {
    key: 'regionId',
    value: 'Elsewhere',
    usual: 'DefaultRegion',
    asks: async (script, name) => await send(script, name('a send'), TOPIC),
  },
  {
    key: 'maxMessageSize',
    value: '100',
    usual: '4194304',
    asks: async (script, name) => {
      const body = 'b'.repeat(101);
      await script.ask(name('a send of one byte too many'), Code.SEND, sendFields(TOPIC, 0, '', { g: 1 }), { body });
      await send(script, name('a small send'), TOPIC);
    },
  },
  {
    key: 'startAcceptSendRequestTimeStamp',
    value: '4000000000000',
    usual: '0',
    asks: async (script, name) => {
      await send(script, name('a send'), TOPIC);
      await script.ask(name('a reply'), Code.REPLY, sendFields('rocketmq-cluster_REPLY_TOPIC', 0, '', { g: 1 }), {
        body: 'x',
      });
    },
  },
  {
    key: 'notifyConsumerIdsChangedEnable',
    value: 'false',
    usual: 'true',
    asks: async (script, name) => {
      const from = await script.connect();
      const body = heartbeat('s@2', [{ groupName: 'settings-quiet', subscriptions: [{ topic: TOPIC }] }]);
      await script.ask(name('a heartbeat'), Code.HEARTBEAT, {}, { from, body });
      await script.heard(name('what the member hears'), from);
    },
  },
  {
    key: 'defaultTopicQueueNums',
    value: '2',
    usual: '8',
    asks: async (script, name) => {
      await send(script, name('a send to a new topic'), 'settings-new-queues');
      await script.ask(name('its queues'), Code.TOPIC_STATS, { topic: 'settings-new-queues' });
    },
  },
];

async function run(script: Script): Promise<void> {
  await script.createTopic(TOPIC);
  await script.createTopic('settings-ordered', 1, { order: true });
  await script.createGroup(GROUP);
  await script.createGroup('settings-elsewhere', { brokerId: 1, whichBrokerWhenConsumeSlowly: 2 });
  await script.store(TOPIC, 0);
  await script.holds(TOPIC, 0, 1);
  for (const { key, value, usual, asks } of SETTINGS) {
    await script.ask(`${key} is set`, Code.UPDATE_CONFIG, {}, { body: `${key}=${value}\n` });
    await asks(script, (what) => `${key}=${value}: ${what}`);
    await script.must(Code.UPDATE_CONFIG, {}, { body: `${key}=${usual}\n` });
  }
}

export const settings: Part = { name: 'other settings', run, intended: [] };
