/** The property string of a stored record, as Apache 4.9.7 leaves it: what it drops, adds and separates. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { decodeRecord } from '../../interop/harness/store-files.js';
import { batchItem } from '../../interop/harness/store-filling.js';
import { BrokerDriver } from './driver.js';

const LOG = '/store/commitlog/00000000000000000000';

/** Sends it and gives the property strings of the records, `|` for the separator of items. */
function stored(code: number, properties: string, body: Buffer): string[] {
  const broker = new BrokerDriver().start();
  const isBatch = code === RequestCode.SEND_BATCH_MESSAGE;
  const ext = { a: 'P', b: 'T', c: 'TBW102', d: '1', e: '0', f: '0', g: '1', h: '0', i: properties, j: '0' };
  const answer = broker.ask(broker.open(), code, { ...ext, m: String(isBatch) }, { body });
  assert.is(answer.command.code, 0, answer.command.remark);
  const log = broker.disk.readFile(LOG)!;
  const texts: string[] = [];
  for (let at = 0; log.readInt32BE(at) !== 0; at += log.readInt32BE(at)) {
    texts.push(decodeRecord(log, at).propertyText.replaceAll('\u0001', '=').replaceAll('\u0002', '|'));
  }
  return texts;
}

const properties = suite('stored properties');

properties('of a single message lose WAIT and gain CLUSTER, with no separator at the end', () => {
  const single = (text: string): string[] => stored(RequestCode.SEND_MESSAGE_V2, text, Buffer.from('x'));
  assert.equal(single(''), ['CLUSTER=C']);
  assert.equal(single('TAGS\u0001a'), ['TAGS=a|CLUSTER=C']);
  assert.equal(single('TAGS\u0001a\u0002'), ['TAGS=a|CLUSTER=C']);
  assert.equal(single('WAIT\u0001true'), ['CLUSTER=C']);
  assert.equal(single('A\u0001b\u0002WAIT\u0001false\u0002KEYS\u0001k'), ['A=b|KEYS=k|CLUSTER=C']);
});

properties('of a batch follow those of each item, WAIT among them', () => {
  const items = ['TAGS\u0001a', 'TAGS\u0001b\u0002', ''].map((text) => batchItem(Buffer.from('x'), 0, text));
  const common = 'WAIT=true|CLUSTER=C';
  assert.equal(stored(RequestCode.SEND_BATCH_MESSAGE, 'WAIT\u0001true', Buffer.concat(items)), [
    `TAGS=a|${common}`,
    `TAGS=b|${common}`,
    common,
  ]);
});

properties.run();
