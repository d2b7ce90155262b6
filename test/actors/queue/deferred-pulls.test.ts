/** Pulls that name what a queue host does not know yet: how long they wait for it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { BrokerDriver } from '../broker/driver.js';
import { type HeartbeatParts, javaHeartbeat } from '../broker/heartbeats.js';

const GROUP = 'G';

class Fixture {
  readonly broker = new BrokerDriver({ hasQueueHosts: true }).start();
  readonly client = this.broker.open();

  createTopic(): void {
    const queues = { readQueueNums: '1', writeQueueNums: '1', perm: '6' };
    const ext = {
      topic: 'T',
      defaultTopic: 'TBW102',
      topicFilterType: 'SINGLE_TAG',
      topicSysFlag: '0',
      order: 'false',
      ...queues,
    };
    assert.is(this.broker.ask(this.client, RequestCode.UPDATE_AND_CREATE_TOPIC, ext).command.code, 0);
  }

  beat(parts: HeartbeatParts): void {
    const body = javaHeartbeat({ consumers: [GROUP], ...parts });
    this.broker.send(this.client, RequestCode.HEART_BEAT, {}, { body });
  }

  post(subVersion: number, topic = 'T'): void {
    this.broker.postPull(this.client, {
      consumerGroup: GROUP,
      topic,
      queueId: '0',
      queueOffset: '0',
      maxMsgNums: '32',
      sysFlag: '0',
      commitOffset: '0',
      suspendTimeoutMillis: '15000',
      subVersion: String(subVersion),
    });
    this.broker.settle();
  }

  /** Of the answers since the last look. */
  codes(): number[] {
    return this.broker.take(this.client).map(({ command }) => command.code);
  }
}

const waiting = suite('deferred pulls');

function withMember(): Fixture {
  const fixture = new Fixture();
  fixture.createTopic();
  fixture.beat({ subVersion: 1 });
  fixture.codes();
  return fixture;
}

waiting('with a newer subscription are answered when the heartbeat comes that tells of it', () => {
  const fixture = withMember();
  fixture.post(2);
  fixture.broker.advance(900);
  assert.equal(fixture.codes(), []);
  fixture.beat({ subVersion: 2 });
  assert.equal(fixture.codes().sort(), [ResponseCode.SUCCESS, ResponseCode.PULL_NOT_FOUND].sort());
});

waiting('with a newer subscription are refused after a second without that heartbeat', () => {
  const fixture = withMember();
  fixture.post(2);
  fixture.broker.advance(900);
  fixture.beat({ subVersion: 1 });
  assert.equal(fixture.codes(), [ResponseCode.SUCCESS], 'of the heartbeat');
  fixture.broker.advance(100);
  assert.equal(fixture.codes(), [ResponseCode.SUBSCRIPTION_NOT_LATEST]);
});

waiting('for a topic are refused after 200 ms, whatever others wait for', () => {
  const fixture = withMember();
  fixture.post(2);
  fixture.broker.advance(100);
  fixture.post(1, 'Nowhere');
  fixture.broker.advance(190);
  assert.equal(fixture.codes(), []);
  fixture.broker.advance(10);
  assert.equal(fixture.codes(), [ResponseCode.TOPIC_NOT_EXIST]);
  fixture.broker.advance(700);
  assert.equal(fixture.codes(), [ResponseCode.SUBSCRIPTION_NOT_LATEST]);
});

waiting.run();
