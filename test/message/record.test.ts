import { crc32 } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bodyCrc } from '../../src/message/crc.js';
import { encodeHost } from '../../src/message/host.js';
import {
  checkRecord,
  Magic,
  RECORD,
  RECORD_BYTES_MIN,
  RECORD_HEAD_BYTES_MAX,
  RecordFields,
  readStoreTimestamp,
  recordBytes,
  recordHeadBytes,
  writeBlank,
  writePropertiesLength,
  writeRecordHead,
  writeTopicLength,
} from '../../src/message/record.js';
import { apacheFile, apacheStore } from '../store/fixture.js';
import { encodeRecord } from '../store/support.js';

const FILE_BYTES = apacheStore.options.fileBytes;
const viewOf = (bytes: Buffer): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

const apache = suite('stored record: byte for byte as Apache 4.9.7');

/** Bytes of the fixture's log from a physical offset on. */
function apacheBytes(offset: number, length: number): Buffer {
  const start = offset - (offset % FILE_BYTES);
  return apacheFile(`commitlog/${String(start).padStart(20, '0')}`).subarray(offset - start, offset - start + length);
}

apache('writes every record of the fixture as it is there', () => {
  for (const put of apacheStore.puts) {
    const body = Buffer.from(put.body, 'hex');
    const topic = Buffer.from(put.topic);
    const properties = Buffer.from(put.properties);
    const bytes = recordBytes(body.length, topic.length, properties.length, put.sysFlag);
    assert.is(bytes, put.bytes);
    const record = Buffer.alloc(bytes);
    const view = viewOf(record);
    const bornHost = encodeHost((put.sysFlag & 0x10) === 0 ? '10.1.2.3' : '2001:db8::1', 4444)!;
    const storeHost = encodeHost((put.sysFlag & 0x20) === 0 ? '127.0.0.1' : '2001:db8::2', 10_911)!;
    const bodyAt = writeRecordHead(
      view,
      record,
      0,
      bytes,
      bodyCrc(body, 0, body.length),
      put.queueId,
      put.flag,
      put.queueOffset,
      put.physicalOffset,
      put.sysFlag,
      put.bornTimestamp,
      bornHost,
      put.storeTimestamp,
      storeHost,
      put.reconsumeTimes,
      put.preparedTransactionOffset,
      body.length,
    );
    assert.is(bodyAt, recordHeadBytes(put.sysFlag));
    body.copy(record, bodyAt);
    const topicAt = writeTopicLength(view, bodyAt + body.length, topic.length);
    topic.copy(record, topicAt);
    const propertiesAt = writePropertiesLength(view, topicAt + topic.length, properties.length);
    properties.copy(record, propertiesAt);
    assert.is(propertiesAt + properties.length, bytes);
    assert.equal(record, apacheBytes(put.physicalOffset, put.bytes), `record at ${put.physicalOffset}`);
  }
});

apache('reads every field of every record', () => {
  const fields = new RecordFields();
  for (const put of apacheStore.puts) {
    const record = apacheBytes(put.physicalOffset, put.bytes);
    const check = checkRecord(record, viewOf(record), 0, record.length, true);
    assert.equal({ ...check }, { status: 'record', size: put.bytes, reason: undefined });
    fields.read(viewOf(record), 0);
    assert.is(fields.totalBytes, put.bytes);
    assert.is(fields.magic, Magic.RECORD);
    assert.is(fields.queueId, put.queueId);
    assert.is(fields.flag, put.flag);
    assert.is(fields.sysFlag, put.sysFlag);
    assert.is(fields.queueOffset, put.queueOffset);
    assert.is(fields.physicalOffset, put.physicalOffset);
    assert.is(fields.bornTimestamp, put.bornTimestamp);
    assert.is(fields.storeTimestamp, put.storeTimestamp);
    assert.is(readStoreTimestamp(viewOf(record), 0), put.storeTimestamp);
    assert.is(fields.reconsumeTimes, put.reconsumeTimes);
    assert.is(fields.preparedTransactionOffset, put.preparedTransactionOffset);
    const text = (at: number, bytes: number): string => record.toString('utf8', at, at + bytes);
    assert.is(text(fields.bodyAt, fields.bodyBytes), Buffer.from(put.body, 'hex').toString());
    assert.is(text(fields.topicAt, fields.topicBytes), put.topic);
    assert.is(text(fields.propertiesAt, fields.propertiesBytes), put.properties);
  }
});

apache('knows the blank record at the end of its files', () => {
  const last = apacheStore.puts.filter((put) => put.physicalOffset < FILE_BYTES).at(-1)!;
  const blankAt = last.physicalOffset + last.bytes;
  const left = FILE_BYTES - blankAt;
  const file = apacheBytes(0, FILE_BYTES);
  assert.equal(
    { ...checkRecord(file, viewOf(file), blankAt, left, true) },
    { status: 'blank', size: left, reason: undefined },
  );
  const own = Buffer.alloc(8);
  writeBlank(viewOf(own), 0, left);
  assert.equal(own, apacheBytes(blankAt, 8));
});
apache.run();

const checks = suite('stored record: what is none');
const good = encodeRecord({ topic: 'orders', body: 'some body', properties: [['TAGS', 'a']], sysFlag: 0x30 }, 4096);

function verdict(change: (bytes: Buffer) => void, available = good.length, checkBody = true): string {
  const bytes = Buffer.from(good);
  change(bytes);
  const check = checkRecord(bytes, viewOf(bytes), 0, available, checkBody);
  return check.status === 'bad' ? `${check.reason} ${check.size}` : check.status;
}

checks('says why', () => {
  const tailAt = RECORD_HEAD_BYTES_MAX;
  assert.is(
    verdict(() => {}),
    'record',
  );
  assert.is(
    verdict((bytes) => bytes.writeInt32BE(Magic.RECORD_V2, RECORD.magic)),
    'illegal magic -1',
  );
  assert.is(
    verdict((bytes) => bytes.fill(0)),
    'illegal magic -1',
  );
  assert.is(
    verdict((bytes) => bytes.writeUInt8(0x21, tailAt)),
    'body checksum -1',
  );
  assert.is(
    verdict((bytes) => bytes.writeUInt8(0x21, tailAt), good.length, false),
    'record',
  );
  assert.is(
    verdict((bytes) => bytes.writeInt32BE(good.length + 1, 0)),
    `total size ${good.length + 1}`,
  );
  assert.is(
    verdict((bytes) => bytes.writeInt32BE(-5, 0)),
    'total size -1',
  );
  assert.is(
    verdict((bytes) => bytes.writeInt32BE(1 << 30, tailAt - 4)),
    'impossible length -1',
  );
  assert.is(
    verdict((bytes) => bytes.writeInt8(-1, tailAt + 9)),
    'impossible length -1',
  );
  assert.is(
    verdict((bytes) => bytes.writeInt8(127, tailAt + 9)),
    'impossible length -1',
  );
  assert.is(
    verdict((bytes) => bytes.writeInt16BE(32_000, tailAt + 9 + 1 + 6)),
    'impossible length -1',
  );
  assert.is(
    verdict((bytes) => bytes.writeInt8(0, tailAt + 9 + 1 + 5)),
    'zeros in topic or properties -1',
  );
  assert.is(
    verdict((bytes) => bytes.writeInt32BE(-1, RECORD.queueOffset)),
    'offset or time out of range -1',
  );
  assert.is(
    verdict((bytes) => bytes.writeInt32BE(0x7fffffff, RECORD.physicalOffset)),
    'offset or time out of range -1',
  );
});

checks('needs every byte that is left out', () => {
  for (let available = 0; available < good.length; available++) {
    const result = verdict(() => {}, available);
    assert.ok(result.startsWith('too short') || result.startsWith('impossible length'), `${available}: ${result}`);
  }
});

checks('looks at nothing beyond what is available, whatever the bytes say', () => {
  for (let at = 0; at < good.length; at++) {
    for (const value of [0, 0x7f, 0x80, 0xff]) {
      const result = verdict((bytes) => {
        bytes[at] = value;
      });
      assert.ok(result.length > 0);
    }
  }
});

checks('tolerates a born timestamp that no Number holds', () => {
  assert.is(
    verdict((bytes) => bytes.writeBigInt64BE(0x7fff_ffff_ffff_ffffn, RECORD.bornTimestamp)),
    'record',
  );
});

checks('smallest record and longest head', () => {
  assert.is(recordBytes(0, 0, 0, 0), RECORD_BYTES_MIN);
  assert.is(recordHeadBytes(0x30), RECORD_HEAD_BYTES_MAX);
});
checks.run();

const sums = suite('body checksum');
sums('equals zlib at every length and alignment', () => {
  const bytes = Buffer.from(Uint8Array.from({ length: 1200 }, (_, i) => (i * 167 + (i >>> 3)) & 0xff));
  for (let length = 0; length < 700; length += 1) {
    for (const start of [0, 1, 3, 7]) {
      const expected = crc32(bytes.subarray(start, start + length)) & 0x7fff_ffff;
      assert.is(bodyCrc(bytes, start, length), expected, `${start} ${length}`);
    }
  }
});
sums.run();
