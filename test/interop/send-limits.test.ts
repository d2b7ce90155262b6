/** How large a message may be, asked of a broker of ours and of Apache's side by side. */
import * as assert from 'uvu/assert';
import { startApacheBroker } from '../support/apache.js';
import { javaTools } from '../support/apache-toolchain.js';
import { type Fields, pullFields, RemotingClient, sendFields } from '../support/remoting-client.js';
import { serverSuite } from './harness/interop-suite.js';
import { createTopic } from './harness/remoting.js';
import { underTest } from './harness/under-test.js';

const suite = await serverSuite('send limits', (await javaTools()).missing);

const SEND = 310;
const SEND_BATCH = 320;
const PULL = 11;
const TOPIC = 'limits';
const MAX_BODY = 4 * 1024 * 1024;
const MAX_PROPERTIES = 32_767;
/** What the broker appends to the properties, with the separator in front of it. */
const OWN_PROPERTY = '\u0002CLUSTER\u0001rocketmq-cluster';
const COMPRESSED = 1;
const ITEM_BYTES = 22;

interface Case {
  readonly what: string;
  readonly code: number;
  readonly send?: number;
  readonly fields?: Fields;
  readonly properties?: string;
  readonly topic?: string;
  readonly body: Buffer;
}

/** A property of so many bytes, its name and both separators included. */
const property = (bytes: number): string => `K\u0001${'v'.repeat(bytes - 2)}`;

/** A batch of `count` messages that share `bytes` bytes of it. */
function batch(bytes: number, count: number, properties = ''): Buffer {
  const items: Buffer[] = [];
  let left = bytes;
  for (let n = 0; n < count; n++) {
    const itemBytes = n === count - 1 ? left : Math.floor(bytes / count);
    left -= itemBytes;
    const bodyBytes = itemBytes - ITEM_BYTES - properties.length;
    const item = Buffer.alloc(itemBytes, 'b');
    item.writeInt32BE(itemBytes, 0);
    item.fill(0, 4, 16);
    item.writeInt32BE(bodyBytes, 16);
    item.writeInt16BE(properties.length, 20 + bodyBytes);
    item.write(properties, 22 + bodyBytes);
    items.push(item);
  }
  return Buffer.concat(items);
}

const small = Buffer.from('x');
const asBatch = { send: SEND_BATCH, fields: { m: true } } as const;

const CASES: readonly Case[] = [
  { what: 'a body of maxMessageSize', code: 0, body: Buffer.alloc(MAX_BODY, 'x') },
  { what: 'a body of one byte more', code: 13, body: Buffer.alloc(MAX_BODY + 1, 'x') },
  {
    what: 'properties that have 32,767 bytes when they are stored',
    code: 0,
    properties: property(MAX_PROPERTIES - OWN_PROPERTY.length),
    body: small,
  },
  {
    what: 'properties of one byte more',
    code: 13,
    properties: property(MAX_PROPERTIES - OWN_PROPERTY.length + 1),
    body: small,
  },
  { what: 'a batch of maxMessageSize', code: 0, ...asBatch, body: batch(MAX_BODY, 10) },
  { what: 'a batch of one byte more', code: 13, ...asBatch, body: batch(MAX_BODY + 1, 10) },
  { what: 'a batch that says so in the header of a single message', code: 0, fields: { m: true }, body: batch(500, 5) },
  // Only clients refuse that.
  { what: 'a batch to a retry topic', code: 0, ...asBatch, topic: '%RETRY%limits-group', body: batch(100, 2) },
  {
    what: 'a delayed batch',
    code: 13,
    ...asBatch,
    properties: 'DELAY\u00013',
    body: batch(100, 2),
  },
  { what: 'a topic of 128 characters', code: 1, topic: 't'.repeat(128), body: small },
];

async function codes(address: string): Promise<[string, number][]> {
  const client = await RemotingClient.connect(address);
  try {
    const found: [string, number][] = [];
    for (const { what, send = SEND, fields = {}, properties = '', topic = TOPIC, body } of CASES) {
      found.push([what, (await client.call(send, sendFields(topic, 0, properties, fields), body)).code]);
    }
    return found;
  } finally {
    client.close();
  }
}

suite.test('are those of Apache, and what is compressed stays as it is', async (use) => {
  const { address: namesrv } = await use(underTest.startNamesrv());
  const ours = await use(underTest.startBroker({ name: 'broker-ours', namesrv }));
  const apache = await use(startApacheBroker({ name: 'broker-apache', namesrv }));
  await createTopic({ namesrv, brokers: [ours.broker, apache.broker] }, TOPIC);
  const expected = CASES.map(({ what, code }) => [what, code]);
  const own = await codes(ours.broker.address);
  const others = await codes(apache.broker.address);
  assert.equal(own, expected);
  assert.equal(others, expected, 'Apache');
  const records: Buffer[] = [];
  for (const { broker } of [ours, apache]) {
    const client = await RemotingClient.connect(broker.address);
    const body = Buffer.from('no deflated bytes at all');
    await client.call(SEND, sendFields(TOPIC, 3, '', { f: COMPRESSED }), body);
    const { body: record } = await client.call(PULL, pullFields(TOPIC, 3, 0));
    assert.is(record.readInt32BE(36), COMPRESSED, `${broker.name}: system flag`);
    assert.ok(record.includes(body));
    records.push(record);
    client.close();
  }
  assert.is(records[0]!.length, records[1]!.length);
});

suite.run();
