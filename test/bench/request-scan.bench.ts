/**
 * Header decoding of a SEND_MESSAGE_V2 request and encoding of its response, beside JSON.parse and JSON.stringify of the same
 * bytes. Prints nanoseconds per header; runs a few seconds: `node dist/test/bench/request-scan.bench.js`.
 */
import { Serialization } from '../../src/remoting/frame.js';
import { HeaderKey, RequestScan } from '../../src/remoting/request-scan.js';
import { FieldName, ResponseWriter } from '../../src/remoting/response-writer.js';

const ROUNDS = 5;
const HEADERS_PER_ROUND = 200_000;

const properties = [
  'KEYS\u0001order-20240131-000017\u0002UNIQ_KEY\u00017F0000010A3C18B4AAC21F5C2B0E0011\u0002',
  'CLUSTER\u0001rocketmq-cluster\u0002WAIT\u0001true\u0002TAGS\u0001TagA\u0002',
].join('');
const ext = {
  a: 'bench_producer',
  b: 'BenchTopic',
  c: 'TBW102',
  d: '4',
  e: '3',
  f: '0',
  g: '1706700000123',
  h: '0',
  i: properties,
  j: '0',
  k: 'false',
  m: 'false',
};
const send = JSON.stringify({
  code: 310,
  extFields: ext,
  flag: 0,
  language: 'JAVA',
  opaque: 123456,
  serializeTypeCurrentRPC: 'JSON',
  version: 407,
});
const pull = JSON.stringify({
  code: 11,
  extFields: {
    queueId: '3',
    maxMsgNums: '32',
    sysFlag: '6',
    suspendTimeoutMillis: '15000',
    commitOffset: '1234567',
    topic: 'BenchTopic',
    queueOffset: '1234599',
    expressionType: 'TAG',
    subVersion: '1706700000123',
    consumerGroup: 'bench_consumer',
  },
  flag: 0,
  language: 'JAVA',
  opaque: 123457,
  serializeTypeCurrentRPC: 'JSON',
  version: 407,
});

/** Frames lie in shared memory at changing places, as they do in a ring. */
const ring = Buffer.from(new SharedArrayBuffer(1 << 20));
const view = new DataView(ring.buffer);
const target = Buffer.alloc(64 * 1024);
const targetView = new DataView(target.buffer, target.byteOffset, target.length);
const scan = new RequestScan();
const writer = new ResponseWriter();
let sink = 0;

function measure(name: string, operation: (at: number) => void): void {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const startedNs = process.hrtime.bigint();
    for (let index = 0; index < HEADERS_PER_ROUND; index++) operation((index & 511) * 1024);
    best = Math.min(best, Number(process.hrtime.bigint() - startedNs) / HEADERS_PER_ROUND);
  }
  console.log(`${name.padEnd(64)} ${best.toFixed(0).padStart(6)} ns`);
}

function fill(header: string): number {
  const bytes = Buffer.from(header);
  for (let at = 0; at + bytes.length <= ring.length; at += 1024) bytes.copy(ring, at);
  return bytes.length;
}

const LETTERS = Buffer.from('abcdefghijkm');

function readSend(): void {
  let present = 0;
  for (let index = 0; index < LETTERS.length; index++) present |= scan.find(LETTERS[index]);
  if (present < 0) throw new Error('a field is missing');
  sink += scan.int(scan.find(0x64), 0) + scan.int(scan.find(0x65), 0) + scan.int(scan.find(0x66), 0);
  sink += scan.long(scan.find(0x67), 0) + scan.int(scan.find(0x68), 0) + scan.int(scan.find(0x6a), 0);
  sink += scan.boolean(scan.find(0x6b), false) || scan.boolean(scan.find(0x6d), false) ? 1 : 0;
  sink += scan.hash(scan.find(0x62));
  if (scan.fault >= 0) throw new Error(scan.faultText());
}

const PULL_INTEGERS = ['queueId', 'maxMsgNums', 'sysFlag', 'suspendTimeoutMillis', 'commitOffset', 'queueOffset'].map(
  (name) => new HeaderKey(name),
);
const TOPIC = new HeaderKey('topic');

const sendBytes = fill(send);
console.log(
  `SEND_MESSAGE_V2 header of ${sendBytes} bytes, PULL_MESSAGE header of ${pull.length}; best of ${ROUNDS} rounds`,
);
measure('send: scan', (at) => {
  if (!scan.scan(ring, view, at, at + sendBytes, Serialization.JSON)) throw new Error(scan.problem);
  sink += scan.opaque;
});
measure('send: scan, read every field, copy the properties', (at) => {
  if (!scan.scan(ring, view, at, at + sendBytes, Serialization.JSON)) throw new Error(scan.problem);
  readSend();
  sink += scan.copyTo(scan.find(0x69), target, 0);
});
measure('send: toString and JSON.parse', (at) => {
  sink += JSON.parse(ring.toString('utf8', at, at + sendBytes)).opaque;
});
const pullBytes = fill(pull);
measure('pull: scan and read', (at) => {
  if (!scan.scan(ring, view, at, at + pullBytes, Serialization.JSON)) throw new Error(scan.problem);
  for (let index = 0; index < PULL_INTEGERS.length; index++) sink += scan.long(scan.findKey(PULL_INTEGERS[index]), 0);
  sink += scan.hash(scan.findKey(TOPIC));
});
measure('pull: toString and JSON.parse', (at) => {
  sink += JSON.parse(ring.toString('utf8', at, at + pullBytes)).opaque;
});

const MSG_ID = new FieldName('msgId');
const QUEUE_ID = new FieldName('queueId');
const QUEUE_OFFSET = new FieldName('queueOffset');
const TRANSACTION_ID = new FieldName('transactionId');
const MSG_REGION = new FieldName('MSG_REGION');
const TRACE_ON = new FieldName('TRACE_ON');
const id = Buffer.from('7F00000100002A9F0000000000000000');
for (const [name, serialization] of Object.entries(Serialization)) {
  measure(`send response: ResponseWriter, ${name}`, (at) => {
    writer.begin(target, targetView, 0, serialization, 0, at);
    writer.fieldBytes(MSG_ID, id, 0, id.length);
    writer.field(QUEUE_ID, 3);
    writer.field(QUEUE_OFFSET, 1234567 + at);
    writer.fieldBytes(TRANSACTION_ID, id, 0, id.length);
    writer.fieldText(MSG_REGION, 'DefaultRegion');
    writer.fieldText(TRACE_ON, 'true');
    writer.endHeader();
    sink += writer.finish(0);
  });
}
measure('send response: JSON.stringify and write', (at) => {
  const header = JSON.stringify({
    code: 0,
    extFields: {
      msgId: id.toString('latin1'),
      queueId: '3',
      queueOffset: `${1234567 + at}`,
      MSG_REGION: 'DefaultRegion',
    },
    flag: 1,
    language: 'JAVA',
    opaque: at,
    serializeTypeCurrentRPC: 'JSON',
    version: 407,
  });
  sink += target.write(header, 8);
});
if (Number.isNaN(sink)) throw new Error('measured something that does not add up');
