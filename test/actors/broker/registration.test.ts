import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeRegisterBroker } from '../../../src/remoting/bodies/register-broker.js';
import type { RegisterBrokerBody } from '../../../src/remoting/bodies/tables.js';
import { BodyProblem } from '../../../src/remoting/body-codec.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { type Answered, BROKER_ADDRESS, BrokerDriver, NAME_SERVER, type Told } from './driver.js';

const SECOND = '127.0.0.1:9877';
const two = `namesrvAddr=${NAME_SERVER};${SECOND}\n`;
const slave = 'brokerRole=SLAVE\nbrokerId=1\n';

function registrations(broker: BrokerDriver, address = NAME_SERVER) {
  return broker.asked.filter((one) => one.address === address && one.command.code === RequestCode.REGISTER_BROKER);
}

function contentOf({ command, body }: Answered): RegisterBrokerBody {
  const framing = {
    compressed: command.ext.get('compressed') === 'true',
    bodyCrc32: Number(command.ext.get('bodyCrc32')),
    version: command.version,
  };
  const decoded = decodeRegisterBroker(body, framing);
  if (decoded instanceof BodyProblem) throw new Error(decoded.text);
  return decoded;
}

const textOf = ({ bytes }: Told): string => bytes.toString();

const register = suite('broker: registration');

register('says who the broker is and what it has, with a checksum', () => {
  const broker = new BrokerDriver().start();
  const [first] = registrations(broker);
  const { bodyCrc32, ...ext } = Object.fromEntries(first!.command.ext);
  assert.equal(ext, {
    brokerName: 'broker-a',
    brokerAddr: BROKER_ADDRESS,
    clusterName: 'C',
    haServerAddr: '127.0.0.1:10912',
    brokerId: '0',
    compressed: 'false',
  });
  assert.ok(Number(bodyCrc32) > 0);
  const { topicConfigSerializeWrapper: table } = contentOf(first!);
  assert.equal(table.dataVersion, broker.state.topics.version);
  assert.is(table.topicConfigTable.size, 8);
});

register('makes the broker ready when every name server has acknowledged the newest table', () => {
  const broker = new BrokerDriver({ settings: two });
  broker.start();
  assert.is(broker.isReady, false);
  assert.is(broker.state.registration.isRegistered, false);
  broker.peers.set(SECOND, () => ({}));
  broker.advance(1_000);
  assert.is(broker.isReady, true);
  assert.is(broker.state.registration.isRegistered, true);
});

register('waits until the port is known', () => {
  const broker = new BrokerDriver().start(false);
  broker.advance(60_000);
  assert.is(broker.asked.length, 0);
});

register('happens at start, after 10 s, then every period', () => {
  const broker = new BrokerDriver().start();
  const counts = [0, 9_999, 1, 29_999, 1].map((ms) => {
    broker.advance(ms);
    return registrations(broker).length;
  });
  assert.equal(counts, [1, 1, 2, 2, 3]);
});

register('tries a name server that is not there each second, and says so once', () => {
  const broker = new BrokerDriver({ settings: two }).start();
  broker.advance(5_500);
  assert.is(broker.logged.filter((line) => line.includes('not registered, trying again')).length, 1);
  broker.peers.set(SECOND, () => ({}));
  broker.advance(1_000);
  assert.is(registrations(broker, SECOND).length, 1);
  assert.ok(broker.logged.some((line) => line.includes('registered again')));
});

register('an answer other than SUCCESS does not count', () => {
  const broker = new BrokerDriver();
  broker.peers.set(NAME_SERVER, () => ({ parts: { code: ResponseCode.SYSTEM_ERROR, remark: 'crc32 not match' } }));
  broker.start();
  assert.is(broker.isReady, false);
  assert.ok(broker.logged.some((line) => line.includes('code 1, crc32 not match')));
});

register('comes back a second after a name server has gone', () => {
  const broker = new BrokerDriver().start();
  broker.disconnectPeer(NAME_SERVER);
  assert.is(broker.state.registration.isRegistered, false);
  broker.advance(1_000);
  assert.is(registrations(broker).length, 2);
  assert.is(broker.state.registration.isRegistered, true);
});

register('a topic made by a tool is told once', () => {
  const broker = new BrokerDriver({ settings: `namesrvAddr=${NAME_SERVER};${NAME_SERVER}\n` }).start();
  assert.is(registrations(broker).length, 1, 'a name server that is listed twice is one');
  const ext = {
    topic: 'T',
    defaultTopic: '',
    readQueueNums: '1',
    writeQueueNums: '1',
    perm: '6',
    topicFilterType: 'SINGLE_TAG',
  };
  broker.ask(broker.open(), RequestCode.UPDATE_AND_CREATE_TOPIC, ext);
  assert.is(registrations(broker).length, 2);
});

register('a change during a registration is told right after it', () => {
  const broker = new BrokerDriver().start();
  const client = broker.open();
  let silent: (() => void) | undefined;
  broker.peers.set(NAME_SERVER, (request) => {
    if (silent !== undefined) return {};
    silent = () => {};
    // While this one is under way the next topic comes.
    const ext = {
      topic: 'late',
      defaultTopic: '',
      readQueueNums: '1',
      writeQueueNums: '1',
      perm: '6',
      topicFilterType: 'SINGLE_TAG',
    };
    broker.postRequest(client, RequestCode.UPDATE_AND_CREATE_TOPIC, ext);
    return request.command.code === RequestCode.REGISTER_BROKER ? {} : undefined;
  });
  broker.advance(10_000);
  const last = contentOf(registrations(broker).at(-1)!);
  assert.ok(last.topicConfigSerializeWrapper.topicConfigTable.has('late'));
  assert.is(broker.take(client).length, 1);
});

register('without write permission every topic has the permission of the broker', () => {
  const broker = new BrokerDriver({ settings: 'brokerPermission=4\n' }).start();
  const { topicConfigTable } = contentOf(registrations(broker)[0]!).topicConfigSerializeWrapper;
  assert.equal([...new Set([...topicConfigTable.values()].map(({ perm }) => perm))], [4]);
  assert.is(broker.state.topics.get('TBW102')!.config!.perm, 7);
});

register('goes compressed when asked to', () => {
  const broker = new BrokerDriver({ settings: 'compressedRegister=true\n' }).start();
  const [first] = registrations(broker);
  assert.is(first!.command.ext.get('compressed'), 'true');
  assert.is(contentOf(first!).topicConfigSerializeWrapper.topicConfigTable.size, 8);
});

register('a table that might not fit into a frame goes compressed as well', () => {
  const broker = new BrokerDriver();
  broker.start();
  const config = broker.state.topics.get('SELF_TEST_TOPIC')!.config!;
  for (let i = 0; i < 48_000; i++) {
    const topicName = `a-topic-with-a-name-of-some-length-${i}`;
    broker.state.topics.ensure(topicName).config = { ...config, topicName };
  }
  broker.ask(broker.open(), RequestCode.DELETE_TOPIC_IN_BROKER, { topic: 'a-topic-with-a-name-of-some-length-0' });
  const last = registrations(broker).at(-1)!;
  assert.is(last.command.ext.get('compressed'), 'true');
  assert.is(contentOf(last).topicConfigSerializeWrapper.topicConfigTable.size, 8 + 47_999);
});

register('topics in ORDER_TOPIC_CONFIG are ordered, others are not', () => {
  const broker = new BrokerDriver();
  let ordered = '{"table":{"SELF_TEST_TOPIC":"broker-a:1"}}';
  broker.peers.set(NAME_SERVER, () => ({ body: ordered }));
  broker.start();
  const order = () => broker.state.topics.get('SELF_TEST_TOPIC')!.config!.order;
  assert.is(order(), true);
  assert.match(broker.file('topics.json')!, '"order":true');
  ordered = '{"table":{}}';
  broker.advance(10_000);
  assert.is(order(), false);
});

register('ends with the unregistration at every name server that knew the broker', () => {
  const broker = new BrokerDriver({ settings: two });
  broker.peers.set(SECOND, () => ({}));
  broker.start();
  broker.asked.length = 0;
  broker.stop();
  const left = broker.asked.map(({ address, command }) => [address, command.code, command.ext.get('brokerAddr')]);
  assert.equal(left.sort(), [
    [NAME_SERVER, RequestCode.UNREGISTER_BROKER, BROKER_ADDRESS],
    [SECOND, RequestCode.UNREGISTER_BROKER, BROKER_ADDRESS],
  ]);
});

register('a name server that is silent does not hold the end up', () => {
  const broker = new BrokerDriver().start();
  broker.peers.set(NAME_SERVER, () => undefined);
  broker.stop();
  assert.ok(broker.logged.some((line) => line.includes('not unregistered in time')));
});

register('without name servers the broker is ready at once', () => {
  const broker = new BrokerDriver({ settings: 'namesrvAddr=\n' }).start();
  assert.is(broker.isReady, true);
});

register.run();

const ofSlave = suite('broker: registration of a slave');

ofSlave('asks again in milliseconds until its master is known, and tells HA actor', () => {
  const broker = new BrokerDriver({ settings: slave });
  let ext: Record<string, string> = {};
  broker.peers.set(NAME_SERVER, () => ({ parts: { ext } }));
  broker.start();
  broker.advance(50);
  assert.is(broker.ha.filter(({ kind }) => kind === 'masterAddress').length, 0);
  ext = { masterAddr: '10.0.0.1:10911', haServerAddr: '10.0.0.1:10912' };
  broker.advance(100);
  assert.equal(broker.ha.filter(({ kind }) => kind === 'masterAddress').map(textOf), ['10.0.0.1:10912']);
  assert.is(broker.state.registration.masterAddr, '10.0.0.1:10911');
  broker.advance(10_000);
  assert.is(broker.ha.filter(({ kind }) => kind === 'masterAddress').length, 1, 'told once');
  ext = { masterAddr: '10.0.0.2:10911', haServerAddr: '10.0.0.2:10912' };
  broker.advance(30_000);
  assert.equal(
    broker.ha
      .filter(({ kind }) => kind === 'masterAddress')
      .map(textOf)
      .at(-1),
    '10.0.0.2:10912',
  );
});

ofSlave('haMasterAddress wins', () => {
  const broker = new BrokerDriver({ settings: `${slave}haMasterAddress=10.0.0.9:10912\n` });
  const ext = { masterAddr: '10.0.0.1:10911', haServerAddr: '10.0.0.1:10912' };
  broker.peers.set(NAME_SERVER, () => ({ parts: { ext } }));
  broker.start();
  assert.equal(broker.ha.filter(({ kind }) => kind === 'masterAddress').map(textOf), ['10.0.0.9:10912']);
});

ofSlave.run();
