/**
 * What strangers and broken clients send. Each time: at most that one connection is closed, a normal client on another
 * connection is served, nothing was restarted, memory stays bounded; and where there is an answer, it has RocketMQ's
 * code and a remark that says what to do.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { until } from '../interop/harness/process.js';
import { residentBytes } from '../support/apache-proc.js';
import { type HangarUp, metric, oneBroker, stopBy, temporaryDirectory, up } from '../support/hangar-process.js';
import {
  type Answer,
  Code,
  type Fields,
  frame,
  messagesOf,
  PullFlag,
  pullFields,
  RemotingClient,
  requestHeader,
  sendFields,
  withClient,
} from '../support/remoting-client.js';
import { seedOf } from '../support/seed.js';
import { within } from '../support/within.js';

const MIB = 1024 * 1024;
const TOPIC = 'broker-a';
const QUEUES = 1;
/** Beside what an idle process takes. Rings and window of one broker are 48 MiB; the rest is Node's own slack. */
const GROWTH_MAX_BYTES = 200 * MIB;
const CLOSED_MS = 5_000;

const tests = suite('hostile input');

let hangar: HangarUp | undefined;
let idleBytes = 0;
let sent = 0;

async function running(): Promise<{ broker: string; nameServer: string; metrics: string }> {
  if (hangar === undefined) {
    hangar = await up(
      '--config',
      oneBroker({ maxMessageSize: 1 * MIB }),
      '--ephemeral',
      '--store',
      temporaryDirectory(),
    );
    await served();
    idleBytes = residentBytes([hangar.child.pid]);
  }
  return { broker: hangar.addresses.get(TOPIC)!, nameServer: hangar.nameServers[0]!, metrics: hangar.metrics };
}

tests.after(async () => {
  await hangar?.child.kill();
});

/** A normal client sends, reads what it sent, and asks for a route; and nothing has crashed. */
async function served(): Promise<void> {
  const { broker, nameServer, metrics } = await running();
  await withClient(broker, async (client) => {
    const body = Buffer.from(`normal ${++sent}`);
    const answer = await client.call(Code.SEND, sendFields(TOPIC, 0), body);
    assert.equal([answer.code, answer.remark], [0, '']);
    const queueOffset = Number(answer.fields.queueOffset);
    const pulled = await client.call(Code.PULL, pullFields(TOPIC, 0, queueOffset));
    assert.ok(messagesOf(pulled.body)[0]!.body.equals(body));
  });
  await withClient(nameServer, async (client) => {
    assert.is((await client.call(Code.ROUTE, { topic: TOPIC })).code, 0);
  });
  assert.is(await metric(metrics, 'hangar_actor_restarts_total'), 0, 'no restart');
}

async function assertHealthy(): Promise<void> {
  await served();
  const grown = residentBytes([hangar!.child.pid]) - idleBytes;
  assert.ok(grown < GROWTH_MAX_BYTES, `resident memory grew by ${Math.round(grown / MIB)} MiB`);
}

// ---- frames

function words(length: number, headerWord: number, rest = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32BE(length | 0, 0);
  bytes.writeInt32BE(headerWord | 0, 4);
  return Buffer.concat([bytes, rest]);
}

const SEED = seedOf('hostile input');

function garbage(bytes: number): Buffer {
  const random = prng(SEED);
  return Buffer.from(Array.from({ length: bytes }, () => random.below(256)));
}

const BROKEN_FRAMES: readonly (readonly [string, Buffer, string | undefined])[] = [
  ['random bytes', garbage(64 * 1024), undefined],
  ['a negative length', words(-1, 0), 'negative_length'],
  ['a length that is shorter than its own words', words(3, 0), 'too_short'],
  ['a frame above 16 MiB', words(16 * MIB, 20), 'oversized'],
  ['a frame of 2 GiB', words(0x7fff_ffff, 20), 'oversized'],
  ['a header that is longer than its frame', words(100, 97, Buffer.alloc(100)), 'header_length'],
  ['an unknown serialization', words(100, 7 << 24, Buffer.alloc(100)), 'serialization'],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: here\r\n\r\n'), 'oversized'],
  ['a TLS handshake', Buffer.from('16030100c8010000c40303', 'hex'), 'oversized'],
  ['a header that is no JSON', frame('{"code":310,"opaque":1,'), undefined],
  ['an empty header', frame(''), undefined],
  ['a header that is an array', frame('[]'), undefined],
  ['a header of NUL bytes', frame(Buffer.alloc(100)), undefined],
  ['a binary header that is cut off', frame(Buffer.alloc(20), Buffer.alloc(0), 1), undefined],
  ['a binary header whose remark is longer than itself', frame(binaryHeader(0x7fff_ffff), undefined, 1), undefined],
];

/** ROCKETMQ serialization: code 2, language 1, version 2, opaque 4, flag 4, remark length 4, ext length 4. */
function binaryHeader(remarkBytes: number): Buffer {
  const bytes = Buffer.alloc(25);
  bytes.writeInt16BE(Code.SEND, 0);
  bytes.writeInt32BE(remarkBytes, 13);
  return bytes;
}

for (const [name, bytes, reason] of BROKEN_FRAMES) {
  tests(`${name}: that connection is closed, without an answer`, async () => {
    const { broker, nameServer, metrics } = await running();
    const labels = reason === undefined ? {} : { reason };
    const before = await metric(metrics, 'hangar_connections_closed_total', labels);
    for (const address of [broker, nameServer]) {
      const client = await RemotingClient.connect(address);
      await client.write(bytes);
      await within(CLOSED_MS, `${address} closes the connection`, client.closed);
      assert.equal(client.unasked, []);
    }
    if (reason !== undefined) {
      assert.is(await metric(metrics, 'hangar_connections_closed_total', labels), before + 2, `closed for ${reason}`);
    }
    await assertHealthy();
  });
}

// ---- requests with a readable header

const SYSTEM_ERROR = 1;
const NOT_SUPPORTED = 3;
const MESSAGE_ILLEGAL = 13;
const NO_PERMISSION = 16;
const TOPIC_NOT_EXIST = 17;
const SUBSCRIPTION_PARSE_FAILED = 23;

function without(fields: Fields, name: string): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name));
}

const good = sendFields(TOPIC, 0);
const goodPull = pullFields(TOPIC, 0, 0);

interface Refusal {
  readonly code: number;
  readonly fields: Fields;
  readonly body?: Buffer;
  readonly answer: number;
  readonly remark: RegExp;
}

const REFUSED: Readonly<Record<string, Refusal>> = {
  'a code that nobody knows': {
    code: 9999,
    fields: {},
    answer: NOT_SUPPORTED,
    remark: /request type 9999 not supported/,
  },
  'a negative code': { code: -1, fields: {}, answer: NOT_SUPPORTED, remark: /request type -1 not supported/ },
  'a send without a topic': { code: Code.SEND, fields: without(good, 'b'), answer: SYSTEM_ERROR, remark: /topic/ },
  'a send without a queue id': { code: Code.SEND, fields: without(good, 'e'), answer: SYSTEM_ERROR, remark: /queueId/ },
  'a queue id beyond int32': {
    code: Code.SEND,
    fields: { ...good, e: '99999999999' },
    answer: SYSTEM_ERROR,
    remark: /\be\b.*99999999999|99999999999.*\be\b/,
  },
  'a queue id that is no number': {
    code: Code.SEND,
    fields: { ...good, e: '1e3' },
    answer: SYSTEM_ERROR,
    remark: /1e3/,
  },
  'a queue id that the topic does not have': {
    code: Code.SEND,
    fields: { ...good, e: QUEUES },
    answer: SYSTEM_ERROR,
    remark: /queueId\[1\] is illegal, topic broker-a has 1 write queues/,
  },
  'a time that is no number': {
    code: Code.SEND,
    fields: { ...good, g: 'yesterday' },
    answer: SYSTEM_ERROR,
    remark: /yesterday/,
  },
  'a topic with illegal characters': {
    code: Code.SEND,
    fields: { ...good, b: 'a/../b' },
    answer: SYSTEM_ERROR,
    remark: /illegal characters, allowing only/,
  },
  'a blank topic': { code: Code.SEND, fields: { ...good, b: '' }, answer: SYSTEM_ERROR, remark: /topic is blank/ },
  'a topic of 300 characters': {
    code: Code.SEND,
    fields: { ...good, b: 't'.repeat(300) },
    answer: SYSTEM_ERROR,
    remark: /longer than topic max length/,
  },
  "a topic of the broker's own": {
    code: Code.SEND,
    fields: { ...good, b: 'SCHEDULE_TOPIC_XXXX' },
    answer: NO_PERMISSION,
    remark: /Sending message to topic\[SCHEDULE_TOPIC_XXXX\] is forbidden/,
  },
  'a topic that nothing allows to create': {
    code: Code.SEND,
    fields: { ...good, b: 'New', c: 'NoTemplate' },
    answer: TOPIC_NOT_EXIST,
    remark: /topic\[New\] not exist, apply first please/,
  },
  'a body above maxMessageSize': {
    code: Code.SEND,
    fields: good,
    body: Buffer.alloc(1 * MIB + 1),
    answer: MESSAGE_ILLEGAL,
    remark: /body length limit 1048576, this one has 1048577/,
  },
  'properties above 32,767 bytes': {
    code: Code.SEND,
    fields: { ...good, i: `a\u0001${'p'.repeat(40_000)}` },
    answer: MESSAGE_ILLEGAL,
    remark: /properties length limit 32767, this one has 40002/,
  },
  'properties of 8 MiB': {
    code: Code.SEND,
    fields: { ...good, i: 'p'.repeat(8 * MIB) },
    answer: MESSAGE_ILLEGAL,
    remark: /properties length limit 32767, this one has 8388608/,
  },
  'a batch that is no batch': {
    code: Code.SEND_BATCH,
    fields: { ...good, m: true },
    body: Buffer.from('x'),
    answer: MESSAGE_ILLEGAL,
    remark: /the batch body cannot be read: item is cut off/,
  },
  'a batch with a negative length inside': {
    code: Code.SEND_BATCH,
    fields: { ...good, m: true },
    body: batchItem(-5),
    answer: MESSAGE_ILLEGAL,
    remark: /negative body length/,
  },
  'an empty batch': { code: Code.SEND_BATCH, fields: { ...good, m: true }, answer: MESSAGE_ILLEGAL, remark: /empty/ },
  'a pull without a topic': {
    code: Code.PULL,
    fields: without(goodPull, 'topic'),
    answer: SYSTEM_ERROR,
    remark: /topic/,
  },
  'a pull without a group': {
    code: Code.PULL,
    fields: without(goodPull, 'consumerGroup'),
    answer: SYSTEM_ERROR,
    remark: /consumerGroup/,
  },
  'a pull without an offset': {
    code: Code.PULL,
    fields: without(goodPull, 'queueOffset'),
    answer: SYSTEM_ERROR,
    remark: /queueOffset/,
  },
  'a pull of a negative queue id': {
    code: Code.PULL,
    fields: { ...goodPull, queueId: -1 },
    answer: SYSTEM_ERROR,
    remark: /queueId\[-1\] is illegal/,
  },
  'a pull of a queue that the topic does not have': {
    code: Code.PULL,
    fields: { ...goodPull, queueId: 1 },
    answer: SYSTEM_ERROR,
    remark: /readQueueNums:\[1\]/,
  },
  'a pull with an offset beyond int64': {
    code: Code.PULL,
    fields: { ...goodPull, queueOffset: '9'.repeat(25) },
    answer: SYSTEM_ERROR,
    remark: /queueOffset/,
  },
  'a pull of a topic that is not there': {
    code: Code.PULL,
    fields: { ...goodPull, topic: 'Nowhere' },
    answer: TOPIC_NOT_EXIST,
    remark: /topic\[Nowhere\] not exist/,
  },
  'a pull whose subscription has no tag': {
    code: Code.PULL,
    fields: { ...goodPull, subscription: '||' },
    answer: SUBSCRIPTION_PARSE_FAILED,
    remark: /parse the consumer's subscription failed/,
  },
  'a pull with a group name of 100,000 characters': {
    code: Code.PULL,
    fields: { ...goodPull, consumerGroup: 'g'.repeat(100_000) },
    answer: 26,
    remark: /group/,
  },
  'offsets of a negative queue id': {
    code: Code.MAX_OFFSET,
    fields: { topic: TOPIC, queueId: -1 },
    answer: SYSTEM_ERROR,
    remark: /queueId/,
  },
  'a heartbeat that is no JSON': {
    code: Code.HEARTBEAT,
    fields: {},
    body: Buffer.from('{'),
    answer: SYSTEM_ERROR,
    remark: /body/,
  },
  'a topic to be created with a negative number of queues': {
    code: Code.CREATE_TOPIC,
    fields: {
      topic: 'Negative',
      defaultTopic: 'TBW102',
      readQueueNums: -1,
      writeQueueNums: -1,
      perm: 6,
      topicFilterType: 'SINGLE_TAG',
      order: false,
    },
    answer: SYSTEM_ERROR,
    remark: /QueueNums/,
  },
};

/** Total size, magic, checksum, flag, body length, body, properties length. */
function batchItem(bodyBytes: number): Buffer {
  const item = Buffer.alloc(40);
  item.writeInt32BE(40, 0);
  item.writeInt32BE(bodyBytes, 16);
  return item;
}

for (const [name, { code, fields, body, answer, remark }] of Object.entries(REFUSED)) {
  tests(`${name}: answered ${answer}, and the connection goes on`, async () => {
    const { broker } = await running();
    await withClient(broker, async (client) => {
      const refused = await client.call(code, fields, body);
      assert.is(refused.code, answer, refused.remark);
      assert.match(refused.remark, remark);
      assert.ok(refused.remark.length < 2_000, 'the remark does not grow with the request');
      assert.is((await client.call(Code.SEND, good, Buffer.from('after'))).code, 0);
    });
  });
}

tests('a negative queue id of a send lets the broker choose, as with Apache', async () => {
  const { broker } = await running();
  await withClient(broker, async (client) => {
    const answer = await client.call(Code.SEND, { ...good, e: -7 }, Buffer.from('x'));
    assert.equal([answer.code, answer.fields.queueId], [0, '0']);
  });
  await assertHealthy();
});

// ---- every code

const NASTY = [
  '', ' ', '-1', '0', '1', '2147483647', '2147483648', '-2147483648', '9223372036854775807', '9223372036854775808',
  'NaN', '1.5', 'true', 'TRUE', 'null', '{}', '[', '../../etc/passwd', '\u0000', '\u0001\u0002', '%RETRY%', '%DLQ%x',
  'TBW102', TOPIC, 'test-consumer', 'broker-a@test-consumer', 'a'.repeat(5_000), '\ud800', '名字', '*', 'A||B', '127.0.0.1:1',
] as const; // biome-ignore format: one line each would be longer than the test
const FIELD_NAMES = [
  'topic', 'queueId', 'group', 'consumerGroup', 'producerGroup', 'clientId', 'clientID', 'offset', 'commitOffset',
  'queueOffset', 'timestamp', 'key', 'maxNum', 'beginTimestamp', 'endTimestamp', 'perm', 'readQueueNums',
  'writeQueueNums', 'topicFilterType', 'defaultTopic', 'order', 'namespace', 'value', 'brokerName', 'brokerAddr',
  'clusterName', 'brokerId', 'haServerAddr', 'isForce', 'statsName', 'statsKey', 'index', 'count', 'msgId',
  'originMsgId', 'delayLevel', 'maxMsgNums', 'sysFlag', 'subVersion', 'suspendTimeoutMillis', 'subscription',
  'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'm', 'compressed', 'bodyCrc32', 'cluster', 'srcGroup', 'destGroup',
  'groupName', 'cleanOffset', 'compareGroup', 'filterGroups', 'jstackEnable', 'isOrder', 'acceptStandardJsonOnly',
] as const; // biome-ignore format: one line each would be longer than the test
const BODIES = ['', '{', '{}', '[]', 'null', '"x"', '{"mqSet":[{}]}', '{"a":'.repeat(2_000), 'a=b\n', '\u0000'];
const HIGHEST_CODE = 352;

/** Does not wait: END_TRANSACTION is one-way by nature, others forward to a client that is not there. */
const MAY_STAY_SILENT = new Set([37]);

tests('every code with fields and bodies of all sorts: answered, nothing crashes', async () => {
  const { broker, nameServer } = await running();
  const random = prng(SEED);
  for (const address of [broker, nameServer]) {
    for (let round = 0; round < 4; round++) {
      const client = await RemotingClient.connect(address);
      const answers: Promise<Answer | undefined>[] = [];
      for (let code = 0; code <= HIGHEST_CODE; code++) {
        // Deleting and reconfiguring is allowed to anybody, and would take the topic away from under the other tests.
        if (DESTRUCTIVE.has(code)) continue;
        const count = round === 0 ? 0 : FIELD_NAMES.length;
        const fields: Record<string, string> = {};
        for (let n = 0; n < count; n++) fields[FIELD_NAMES[n]!] = random.pick(NASTY);
        const answer = client.call(code, fields, Buffer.from(random.pick(BODIES)));
        answers.push(
          answer.catch((error: Error) => {
            if (MAY_STAY_SILENT.has(code) && !client.isClosed) return undefined;
            throw new Error(`code ${code}, round ${round}, SEED=${SEED}: ${error.message}`);
          }),
        );
      }
      await Promise.all(answers);
      client.close();
    }
  }
  await assertHealthy();
});

/** Change what other tests rely on when their fields happen to be right. */
const DESTRUCTIVE = new Set([17, 25, 37, 103, 104, 205, 215, 216, 318]);

tests('the same one-way: nothing is answered, nothing crashes', async () => {
  const { broker, nameServer } = await running();
  const random = prng(SEED);
  for (const address of [broker, nameServer]) {
    await withClient(address, async (client) => {
      for (let code = 0; code <= HIGHEST_CODE; code++) {
        if (DESTRUCTIVE.has(code)) continue;
        const fields: Record<string, string> = {};
        for (const name of FIELD_NAMES) fields[name] = random.pick(NASTY);
        client.oneWay(code, fields, Buffer.from(random.pick(BODIES)));
      }
      // Handled in order: when this is answered, all of the above was handled.
      const last = await client.call(9999, {});
      assert.is(last.code, NOT_SUPPORTED);
      assert.equal(
        client.unasked.filter(({ code }) => code !== 40),
        [],
        'nothing was answered',
      );
    });
  }
  await assertHealthy();
});

tests('responses that nobody asked for are dropped', async () => {
  const { broker, nameServer } = await running();
  for (const address of [broker, nameServer]) {
    await withClient(address, async (client) => {
      // Low opaques are those of the broker's own requests to its name server.
      for (let opaque = -5; opaque < 200; opaque++) {
        for (const code of [0, 1, 11, 29, 103]) {
          client.write(frame(requestHeader(code, opaque, { topic: TOPIC, queueId: 0 }, 1), Buffer.from('{')));
        }
      }
      assert.is((await client.call(9999, {})).code, NOT_SUPPORTED);
      assert.equal(client.unasked, []);
    });
  }
  await assertHealthy();
});

// ---- connections

tests('1,000 connections that send half a frame and stay', async () => {
  const { broker, metrics } = await running();
  const half = frame(requestHeader(Code.SEND, 1, good), Buffer.alloc(100_000)).subarray(0, 50_000);
  const clients = await Promise.all(Array.from({ length: 1_000 }, () => RemotingClient.connect(broker)));
  try {
    await Promise.all(clients.map((client) => client.write(half)));
    await assertHealthy();
    assert.ok((await metric(metrics, 'hangar_connections', { unit: TOPIC })) >= 1_000);
    // Nobody was closed, and whoever finishes its frame is answered.
    assert.is(clients.filter((client) => client.isClosed).length, 0);
    const answer = clients[0]!.answerTo(1);
    await clients[0]!.write(
      Buffer.alloc(frame(requestHeader(Code.SEND, 1, good), Buffer.alloc(100_000)).length - 50_000),
    );
    assert.is((await answer).code, 0);
  } finally {
    for (const client of clients) client.close();
  }
  await until('the connections are gone', 10_000, async () =>
    (await metric(metrics, 'hangar_connections', { unit: TOPIC })) < 10 ? true : undefined,
  );
});

tests('connections that come and go at once, with and without a request', async () => {
  const { broker } = await running();
  for (let round = 0; round < 10; round++) {
    const clients = await Promise.all(Array.from({ length: 50 }, () => RemotingClient.connect(broker)));
    const held = { sysFlag: PullFlag.subscription | PullFlag.suspend, suspendTimeoutMillis: 30_000 };
    for (const [n, client] of clients.entries()) {
      if (n % 2 === 0) client.oneWay(Code.SEND, good, Buffer.from('x'));
      if (n % 3 === 0) client.oneWay(Code.PULL, pullFields(TOPIC, 0, 1_000_000, held));
      client.close();
    }
  }
  await assertHealthy();
});

tests('after all of it the process stops in order', async () => {
  await assertHealthy();
  assert.is(await stopBy(hangar!.child, 'SIGTERM'), 0);
});

tests.run();
