import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bytesEqual, copyBytes, parseDecimal } from '../../src/message/bytes.js';
import { encodeHost, encodeHostAndPort, encodeIp, hostPort, hostText, ipText } from '../../src/message/host.js';
import { formatMessageId, messageIdChars, parseMessageId, writeMessageId } from '../../src/message/message-id.js';
import * as flags from '../../src/message/system-flags.js';
import {
  deadLetterTopic,
  groupNameProblem,
  isBrokerOnlyTopic,
  isRetryTopic,
  isSystemTopic,
  retryTopic,
  topicNameProblem,
} from '../../src/message/topics.js';
import { apacheStore } from '../store/fixture.js';

const hosts = suite('hosts');

hosts('are encoded with a 4-byte port', () => {
  assert.is(Buffer.from(encodeHost('127.0.0.1', 10_911)!).toString('hex'), '7f00000100002a9f');
  assert.is(
    Buffer.from(encodeHost('2001:db8::1', 10_911)!).toString('hex'),
    '20010db800000000000000000000000100002a9f',
  );
  assert.equal(encodeHostAndPort('10.1.2.3:80'), encodeHost('10.1.2.3', 80));
  assert.equal(encodeHostAndPort('[::1]:80'), encodeHost('::1', 80));
});

hosts('take IPv4 that is mapped into IPv6 as IPv4, as Java does', () => {
  assert.equal(encodeIp('::ffff:10.1.2.3'), Uint8Array.of(10, 1, 2, 3));
});

hosts('refuse what is no address', () => {
  for (const text of ['', 'localhost', '1.2.3', '1.2.3.256', ':::', '1:2']) assert.is(encodeIp(text), undefined, text);
  for (const text of ['1.2.3.4', '1.2.3.4:', '1.2.3.4:x', '1.2.3.4:65536', ':80']) {
    assert.is(encodeHostAndPort(text), undefined, text);
  }
});

hosts('come back as text', () => {
  for (const ip of ['10.1.2.3', '2001:db8::1', '::', '::1', 'fe80::1:2:0:3', '1:2:3:4:5:6:7:8', '1::']) {
    const host = encodeHost(ip, 65_535)!;
    assert.is(ipText(host, 0, host.length), ip);
    assert.is(hostPort(host, 0, host.length), 65_535);
  }
  const v6 = encodeHost('::1', 80)!;
  assert.is(hostText(v6, 0, v6.length), '[::1]:80');
});
hosts.run();

const ids = suite('offset message ids');

ids('are those that Apache gave', () => {
  for (const put of apacheStore.puts) {
    const isV6 = (put.sysFlag & 0x20) !== 0;
    const storeHost = encodeHost(isV6 ? '2001:db8::2' : '127.0.0.1', 10_911)!;
    assert.is(formatMessageId({ storeHost, commitLogOffset: put.physicalOffset }), put.msgId);
    assert.is(put.msgId.length, messageIdChars(storeHost.length));
    const parsed = parseMessageId(put.msgId)!;
    assert.equal(parsed.storeHost, storeHost);
    assert.is(parsed.commitLogOffset, put.physicalOffset);
  }
});

ids('hold offsets beyond 2^32, are written in place, and read in either case', () => {
  const storeHost = encodeHost('10.0.0.1', 1)!;
  const offset = 0x12_3456_789a_bcde;
  const target = Buffer.alloc(40, '.');
  assert.is(writeMessageId(target, 4, storeHost, 0, storeHost.length, offset), 36);
  assert.is(target.toString('latin1'), '....0A000001000000010012345 6789ABCDE....'.replace(' ', ''));
  assert.is(parseMessageId(target.toString('latin1', 4, 36).toLowerCase())!.commitLogOffset, offset);
});

ids('refuse what is none', () => {
  for (const text of ['', '0A', 'G'.repeat(32), '0'.repeat(31), `0A00000100000001${'F'.repeat(16)}`]) {
    assert.is(parseMessageId(text), undefined, text);
  }
});
ids.run();

const names = suite('names, flags, ranges');

names('topics and groups', () => {
  assert.is(topicNameProblem('%RETRY%group_1-a|b'), undefined);
  assert.is(topicNameProblem('a'.repeat(127)), undefined);
  for (const topic of ['', '  ', 'a b', 'ä', 'a.b', 'a'.repeat(128)]) assert.type(topicNameProblem(topic), 'string');
  assert.is(groupNameProblem('a'.repeat(255)), undefined);
  for (const group of ['', 'a/b', 'a'.repeat(256)]) assert.type(groupNameProblem(group), 'string');
  assert.ok(isSystemTopic('TBW102') && isSystemTopic('rmq_sys_x') && !isSystemTopic('orders'));
  assert.ok(isBrokerOnlyTopic('SELF_TEST_TOPIC') && !isBrokerOnlyTopic('TBW102'));
  assert.ok(isRetryTopic(retryTopic('g')) && !isRetryTopic(deadLetterTopic('g')));
});

names('transaction types decide about consume queue and index', () => {
  const { TransactionType } = flags;
  const enters = (type: number): [boolean, boolean] => {
    const flag = flags.withTransactionType(0x37, type);
    assert.is(flags.transactionType(flag), type);
    assert.is(flag & 0x33, 0x33);
    return [flags.entersConsumeQueue(flag), flags.entersIndex(flag)];
  };
  assert.equal(enters(TransactionType.NONE), [true, true]);
  assert.equal(enters(TransactionType.PREPARED), [false, true]);
  assert.equal(enters(TransactionType.COMMIT), [true, true]);
  assert.equal(enters(TransactionType.ROLLBACK), [false, false]);
});

names('decimal numbers as Integer.parseInt', () => {
  const parse = (text: string): number => parseDecimal(Buffer.from(`9${text}9`), 1, text.length);
  assert.is(parse('18'), 18);
  assert.is(parse('-3'), -3);
  assert.is(parse('+7'), 7);
  assert.is(parse('2147483647'), 2_147_483_647);
  assert.is(parse('-2147483648'), -2_147_483_648);
  for (const text of ['', '-', '+', '1 ', '0x1', '2147483648', '99999999999', '1.5'])
    assert.ok(Number.isNaN(parse(text)), text);
});

names('copies and compares ranges', () => {
  const source = Buffer.from(Uint8Array.from({ length: 100 }, (_, i) => i));
  for (const length of [0, 1, 39, 40, 41, 90]) {
    const target = Buffer.alloc(100, 0xff);
    copyBytes(source, 5, length, target, 3);
    assert.ok(bytesEqual(target, 3, length, source.subarray(5, 5 + length)));
    assert.is(target[2], 0xff);
    assert.is(target[3 + length], 0xff);
  }
  assert.not(bytesEqual(source, 0, 2, Buffer.of(0, 2)));
  assert.not(bytesEqual(source, 0, 2, Buffer.of(0, 1, 2)));
});
names.run();
