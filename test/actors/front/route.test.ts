import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { queueHostIndex } from '../../../src/actors/front/options.js';
import { peekJsonCode } from '../../../src/actors/front/route.js';
import { fnv1a } from '../../../src/remoting/request-scan.js';
import { Driver, frame, ID, payloadOf, PORT } from './driver.js';

const peek = suite('front: code of a JSON header');

peek('read where it stands first, else left to the scan', () => {
  for (const [text, code] of [
    ['{"code":11,"flag":0}', 11],
    ['{"code":0}', 0],
    ['{"code":200050,"flag":0}', 200_050],
    ['{"code":11 ,"flag":0}', -1],
    ['{ "code":11,"flag":0}', -1],
    ['{"code": 11,"flag":0}', -1],
    ['{"code":"11","flag":0}', -1],
    ['{"code":-1,"flag":0}', -1],
    ['{"code":,"flag":0}', -1],
    ['{"code":11', -1],
    ['{"code":', -1],
    ['{"code":12345678,"flag":0}', -1],
    ['{"flag":0,"code":11}', -1],
    ['', -1],
  ] as const) {
    // Bytes behind the header must not be read.
    const bytes = Buffer.from(`xx${text}9,"`);
    assert.is(peekJsonCode(bytes, 2, 2 + text.length), code, text);
  }
});

peek.run();

function pull(topic: string, queueId: number, code = 11): Buffer {
  return frame(`{"code":${code},"extFields":{"queueId":"${queueId}","topic":"${topic}"},"flag":0,"opaque":1}`);
}

/** The binary form of a request with the given ext fields. */
function binary(code: number, flag: number, fields: Readonly<Record<string, string>>): Buffer {
  const ext = Object.entries(fields).map(([key, value]) => {
    const bytes = Buffer.alloc(6 + key.length + value.length);
    bytes.writeInt16BE(key.length, 0);
    bytes.write(key, 2);
    bytes.writeInt32BE(value.length, 2 + key.length);
    bytes.write(value, 6 + key.length);
    return bytes;
  });
  const extBytes = Buffer.concat(ext);
  const header = Buffer.alloc(21);
  header.writeInt16BE(code, 0);
  header.writeInt32BE(1, 5);
  header.writeInt32BE(flag, 9);
  header.writeInt32BE(extBytes.length, 17);
  const words = Buffer.alloc(8);
  words.writeInt32BE(4 + header.length + extBytes.length, 0);
  words.writeInt32BE(0x0100_0000 | (header.length + extBytes.length), 4);
  return Buffer.concat([words, header, extBytes]);
}

/** Names of the actors that got the frames. */
function receivers(driver: Driver, port: number, ...frames: readonly Buffer[]): string[] {
  driver.forget();
  const peer = driver.connect(port);
  const names = { brokerA: ID.brokerA, queues0: ID.queues0, queues1: ID.queues1, namesrv: ID.namesrv };
  const got: string[] = [];
  for (const bytes of frames) {
    peer.send(bytes);
    driver.settle();
    for (const [name, id] of Object.entries(names)) {
      for (const { bytes: payload } of driver.frames(id)) {
        assert.equal(payload, payloadOf(bytes));
        got.push(name);
      }
    }
    driver.forget();
  }
  return got;
}

const routing = suite('front: who gets a frame');

routing('queue codes go to the one host, others to the broker', () => {
  const driver = Driver.open({ hosts: 1 });
  const frames = [
    pull('T', 0),
    pull('T', 1, 29),
    pull('T', 2, 32),
    pull('T', 0, 321),
    pull('T', 0, 310),
    pull('T', 0, 30),
  ];
  assert.equal(receivers(driver, PORT.brokerA, ...frames), [
    'queues0',
    'queues0',
    'queues0',
    'brokerA',
    'brokerA',
    'brokerA',
  ]);
});

routing('without queue hosts everything goes to the one actor', () => {
  const driver = Driver.open({ hosts: 0 });
  assert.equal(receivers(driver, PORT.brokerA, pull('T', 0)), ['brokerA']);
  assert.equal(receivers(driver, PORT.namesrv, pull('T', 0)), ['namesrv']);
});

routing('several hosts share the queues by topic and queue id', () => {
  const driver = Driver.open({ hosts: 2 });
  const frames: Buffer[] = [];
  const expected: string[] = [];
  const hostOf = (topic: string, queueId: number): string => {
    const bytes = Buffer.from(topic);
    return `queues${queueHostIndex(fnv1a(bytes, 0, bytes.length), queueId, 2)}`;
  };
  for (let queueId = 0; queueId < 16; queueId++) {
    frames.push(pull('TopicTest', queueId), binary(11, 0, { topic: 'TopicTest', queueId: String(queueId) }));
    expected.push(hostOf('TopicTest', queueId), hostOf('TopicTest', queueId));
    frames.push(pull('Größe', queueId));
    expected.push(hostOf('Größe', queueId));
  }
  assert.equal(receivers(driver, PORT.brokerA, ...frames), expected);
  assert.is(new Set(expected).size, 2, 'both hosts are used');
});

routing('however the header is written', () => {
  const driver = Driver.open({ hosts: 2 });
  const plain = pull('TopicTest', 3);
  const spaced = frame(' { "flag" : 0 , "extFields" : { "topic" : "TopicTest" , "queueId" : 3 } , "code" : 11 } ');
  const escaped = frame('{"code":11,"extFields":{"topic":"Topic\\u0054est","queueId":"3"},"flag":0}');
  const [one, ...rest] = receivers(
    driver,
    PORT.brokerA,
    plain,
    spaced,
    escaped,
    binary(11, 0, { topic: 'TopicTest', queueId: '3' }),
  );
  assert.equal(rest, [one, one, one]);
});

routing('a header in pieces, and one too long for the scratch buffer', () => {
  const driver = Driver.open({ hosts: 2 });
  const long = frame(
    `{"code":11,"extFields":{"queueId":"3","subscription":"${'x'.repeat(100_000)}","topic":"TopicTest"},"flag":0}`,
  );
  const [wanted] = receivers(driver, PORT.brokerA, pull('TopicTest', 3));
  for (const bytes of [pull('TopicTest', 3), long]) {
    for (const cut of [9, 20, 40, bytes.length - 1]) {
      driver.forget();
      const peer = driver.connect(PORT.brokerA);
      peer.send(bytes.subarray(0, cut));
      driver.settle();
      peer.send(bytes.subarray(cut));
      driver.settle();
      const host = wanted === 'queues0' ? ID.queues0 : ID.queues1;
      assert.equal(
        driver.frames(host).map((one) => one.bytes),
        [payloadOf(bytes)],
        `cut at ${cut}`,
      );
    }
  }
});

routing('pulls on the VIP port go to the broker, which refuses them; other queue codes do not', () => {
  const driver = Driver.open({ hosts: 1 });
  const frames = [pull('T', 0), pull('T', 0, 29), binary(11, 0, { topic: 'T' })];
  assert.equal(receivers(driver, PORT.brokerA - 2, ...frames), ['brokerA', 'queues0', 'brokerA']);
});

routing('responses of clients go to the broker whatever their code', () => {
  const driver = Driver.open({ hosts: 2 });
  const response = frame('{"code":11,"flag":1,"opaque":7}');
  assert.equal(receivers(driver, PORT.brokerA, response, binary(11, 1, {})), ['brokerA', 'brokerA']);
});

routing('missing or senseless fields reach a host, which says so', () => {
  const driver = Driver.open({ hosts: 2 });
  const nameless = frame('{"code":11,"extFields":{"queueId":"1"},"flag":0}');
  const wordy = frame('{"code":11,"extFields":{"topic":"T","queueId":"first"},"flag":0}');
  for (const name of receivers(driver, PORT.brokerA, nameless, wordy)) assert.match(name, /^queues/);
});

routing('a binary header that is too short reaches the broker, which says so', () => {
  const driver = Driver.open({ hosts: 1 });
  const bytes = Buffer.from('00000008010000040000000b', 'hex');
  assert.equal(receivers(driver, PORT.brokerA, bytes), ['brokerA']);
});

routing('of a queue code with an unreadable header nobody hears, and the connection closes', () => {
  const driver = Driver.open({ hosts: 2 });
  const peer = driver.connect(PORT.brokerA);
  peer.send(frame('{"code":11,"extFields":{"topic":'));
  driver.settle();
  assert.is(peer.isClosed, true);
  assert.is(driver.metric('hangar_connections_closed_total', { reason: 'header' }), 1);
});

routing.run();
