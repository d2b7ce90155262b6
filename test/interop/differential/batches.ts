/** Batches and their limits. */
import { batchItem } from '../harness/store-filling.js';
import { Code } from './codes.js';
import type { Intended, Part } from './part.js';
import type { Script } from './script.js';
import { GROUP, MIB, ODD, one, property, type Send } from './sends.js';

const items = (count: number, properties = '', bytes = 3): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, n) => batchItem(Buffer.alloc(bytes, `${n}`), n, properties)));

const BATCHES: readonly Send[] = [
  { what: 'a batch', body: items(3, 'TAGS\u0001A\u0002KEYS\u0001k') },
  { what: 'a batch of one', body: items(1) },
  { what: 'a batch of a thousand', body: items(1_000) },
  {
    what: 'a batch with properties of its own',
    properties: 'WAIT\u0001true\u0002own\u0001value',
    body: items(2, 'UNIQ_KEY\u0001B1'),
  },
  { what: 'a batch with properties and items without', properties: 'own\u0001value', body: items(2) },
  { what: 'a batch by a header that says it, code 310', code: Code.SEND, body: items(2) },
  { what: 'a batch by a header that says it, code 10', code: Code.SEND_V1, body: items(2) },
  { what: 'code 320 for what is no batch', more: { m: false }, body: items(2) },
  { what: 'code 320 without saying', without: ['m'], body: items(2) },
  { what: 'an empty batch', body: '' },
  { what: 'a batch to any queue', queueId: -1, body: items(2) },
  { what: 'a batch behind the last queue', queueId: 9, body: items(2) },
  { what: 'a delayed batch', properties: 'DELAY\u00013', body: items(2) },
  { what: 'a batch with a level of 0', properties: 'DELAY\u00010', body: items(2) },
  { what: 'a batch of delayed items', body: items(2, 'DELAY\u00013') },
  { what: 'a batch of half messages', topic: ODD, properties: 'TRAN_MSG\u0001true', body: items(2) },
  { what: 'a batch by a half system flag', more: { f: 4 }, body: items(2) },
  { what: 'a batch to a retry topic', topic: `%RETRY%${GROUP}`, body: items(2) },
  { what: 'a batch to a new topic', topic: 'sends-batch-new', body: items(2) },
  { what: 'a batch to a topic of 127 characters', topic: 't'.repeat(127), body: items(2) },
  { what: 'a batch to a topic of 128 characters', topic: 't'.repeat(128), body: items(2) },
  { what: 'a batch to a forbidden topic', topic: 'SCHEDULE_TOPIC_XXXX', body: items(2) },
  { what: 'a batch to a read-only topic', topic: 'sends-read-only', body: items(2) },
  { what: 'a batch of several tags', topic: 'sends-multi-tag', body: items(2, 'TAGS\u0001A') },
  { what: 'a batch that ends too soon', body: items(2).subarray(0, 40) },
  { what: 'a batch that is no batch', body: 'no batch at all, but a text' },
  { what: 'a batch that says a size of 0', body: Buffer.alloc(30) },
  { what: 'a batch with an item of 5 MiB', body: items(1, '', 5 * MIB) },
  { what: 'a batch of two items of 3 MiB', body: items(2, '', 3 * MIB) },
  // One byte over what fits is taken by Apache's broker, which then dispatches nothing any more.
  { what: 'a batch whose properties fit just', properties: property(32_000), body: items(2, property(700)) },
];

/** To the topics of the part before. */
async function run(script: Script): Promise<void> {
  for (const send of BATCHES) await one(script, Code.SEND_BATCH, { ...send, more: { m: true, ...send.more } });
  await script.ask('queues of the new topic', Code.TOPIC_STATS, { topic: 'sends-batch-new' });
}

const INTENDED: readonly Intended[] = [
  {
    at: 'code',
    because:
      'Apache falls over it and says 1, upon which clients send the same bytes to another broker; 13 says that they are wrong everywhere',
    cases: [
      'an empty batch',
      'a batch that ends too soon',
      'a batch that is no batch',
      'a batch that says a size of 0',
    ],
  },
  {
    at: 'code',
    because: 'Apache would deliver the items at once, whatever becomes of the transaction',
    cases: ['a batch of half messages'],
  },
  {
    at: '',
    because: 'because it was not taken',
    cases: ['a batch of half messages: stored'],
  },
];

export const batches: Part = { name: 'batches', run, intended: INTENDED };
