/** What a broker says is in its store: every record byte by byte, offsets, tables, and what its key index finds. */
import * as assert from 'uvu/assert';
import { Code, type Fields, pullFields, type RemotingClient } from '../../support/remoting-client.js';
import { until } from './process.js';
import { decodeRecord, keysOf, readCheckpoint, type StoredRecord } from './store-files.js';

export const StoreCode = {
  QUERY_MESSAGE: 12,
  QUERY_CONSUMER_OFFSET: 14,
  UPDATE_CONSUMER_OFFSET: 15,
  CREATE_TOPIC: 17,
  ALL_TOPICS: 21,
  VIEW_MESSAGE_BY_ID: 33,
  UPDATE_GROUP: 200,
  ALL_GROUPS: 201,
  ALL_CONSUMER_OFFSETS: 43,
  ALL_DELAY_OFFSETS: 45,
} as const;

const FOUND = 0;
const NOT_FOUND = 19;
const OFFSET_MOVED = 21;
/** Requests under way at a time, well below what a broker queues. */
const PIPELINE = 32;
const SYNCED_MS = 60_000;

export interface QueueName {
  readonly topic: string;
  readonly queueId: number;
}

export interface QueueContents extends QueueName {
  readonly min: number;
  readonly max: number;
  /** Raw bytes of the records from min to max. */
  readonly records: readonly Buffer[];
}

/** By 'topic queueId'. */
export type Contents = ReadonlyMap<string, QueueContents>;

export function queueKey({ topic, queueId }: QueueName): string {
  return `${topic} ${queueId}`;
}

/** Runs `task` for every item, PIPELINE at a time; the results in order. */
export async function forAll<T, R>(items: readonly T[], task: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++;
      results[index] = await task(items[index]!);
    }
  };
  await Promise.all(Array.from({ length: PIPELINE }, lane));
  return results;
}

/** Sends a request that has to succeed. */
export async function ask(client: RemotingClient, code: number, fields: Fields, body?: Buffer) {
  const answer = await client.call(code, fields, body);
  if (answer.code !== FOUND) {
    throw new Error(`${client.address} answered ${answer.code} to ${code} ${JSON.stringify(fields)}: ${answer.remark}`);
  }
  return answer;
}

export async function contentsOf(client: RemotingClient, queues: readonly QueueName[]): Promise<Contents> {
  const found = await forAll(queues, async (queue) => {
    const [min, max] = await Promise.all(
      [Code.MIN_OFFSET, Code.MAX_OFFSET].map(async (code) =>
        Number((await ask(client, code, { topic: queue.topic, queueId: queue.queueId })).fields.offset),
      ),
    );
    // The broker may append meanwhile: delayed messages.
    return { ...queue, min: min!, max: max!, records: (await recordsOf(client, queue, min!)).slice(0, max! - min!) };
  });
  return new Map(found.map((queue) => [queueKey(queue), queue]));
}

/** Of queue 0. */
export async function maxOffset(client: RemotingClient, topic: string): Promise<number> {
  return Number((await ask(client, Code.MAX_OFFSET, { topic, queueId: 0 })).fields.offset);
}

async function recordsOf(client: RemotingClient, { topic, queueId }: QueueName, min: number): Promise<Buffer[]> {
  const records: Buffer[] = [];
  for (;;) {
    const fields = pullFields(topic, queueId, min + records.length, { maxMsgNums: 1_000, subscription: '*' });
    const answer = await client.call(Code.PULL, fields);
    if (answer.code === NOT_FOUND || (answer.code === OFFSET_MOVED && records.length === 0)) return records;
    if (answer.code !== FOUND) throw new Error(`pull of ${topic} ${queueId}: ${answer.code} ${answer.remark}`);
    for (let at = 0; at < answer.body.length; at += answer.body.readInt32BE(at)) {
      records.push(Buffer.from(answer.body.subarray(at, at + answer.body.readInt32BE(at))));
    }
  }
}

/** Every queue begins with what was there before, bytes and all; `isAll`: and has nothing else. Offsets are dense. */
export function assertKept(before: Contents, now: Contents, isAll: boolean): void {
  for (const [key, queue] of before) {
    const found = now.get(key);
    assert.ok(found !== undefined, `${key} is gone`);
    assert.is(found!.min, queue.min, `min offset of ${key}`);
    for (const [index, record] of queue.records.entries()) {
      const other = found!.records[index];
      assert.ok(other !== undefined, `${key}: ${queue.min + index} is gone`);
      if (!record.equals(other!)) assert.is(other!.toString('hex'), record.toString('hex'), `${key} ${index}`);
    }
    if (isAll) assert.equal([found!.max, found!.records.length], [queue.max, queue.records.length], key);
  }
  for (const [key, { min, max, records }] of now) {
    assert.is(records.length, max - min, `records of ${key}`);
    for (const [index, record] of records.entries()) {
      const { queueOffset } = decodeRecord(record, 0);
      if (queueOffset !== min + index) assert.is(queueOffset, min + index, `queue offset in ${key}`);
    }
  }
}

/**
 * Waits until the store's checkpoint vouches for the consume queues of every record. Hangar syncs each queue, which for a
 * thousand of them takes longer than it gives itself at an orderly stop.
 */
export async function queuesSynced(store: string, contents: Contents): Promise<void> {
  const newest = recordsIn(contents).reduce((latest, { storeTimestamp }) => Math.max(latest, storeTimestamp), 0);
  await until('the checkpoint vouches for every consume queue', SYNCED_MS, async () =>
    readCheckpoint(store).queues >= newest ? true : undefined,
  );
}

export function recordsIn(contents: Contents): StoredRecord[] {
  return [...contents.values()].flatMap(({ records }) => records.map((record) => decodeRecord(record, 0)));
}

/**
 * Every key of every record finds it, and so does its offset (queryMsgByKey, queryMsgByUniqueKey, queryMsgById). At most
 * `doublesMax` keys find theirs twice: where an index file became full between two keys of a message, recovery puts both
 * again, Apache's as well as ours.
 */
export async function assertFoundByKey(
  client: RemotingClient,
  records: readonly StoredRecord[],
  doublesMax = 0,
): Promise<void> {
  const wanted = records.flatMap((record) => keysOf(record).map((key) => ({ record, key })));
  assert.ok(wanted.length > 0);
  let doubles = 0;
  const time = { beginTimestamp: 0, endTimestamp: Date.now() + 60_000 };
  await forAll(wanted, async ({ record, key }) => {
    const fields = { topic: record.topic, key, maxNum: 64, ...time };
    const isUnique = key === record.properties.get('UNIQ_KEY');
    const answer = await ask(
      client,
      StoreCode.QUERY_MESSAGE,
      isUnique ? { ...fields, _UNIQUE_KEY_QUERY: true } : fields,
    );
    const offsets: number[] = [];
    for (let at = 0; at < answer.body.length; at += answer.body.readInt32BE(at)) {
      offsets.push(decodeRecord(answer.body, at).physicalOffset);
    }
    const times = offsets.filter((offset) => offset === record.physicalOffset).length;
    if (times === 2) doubles++;
    else if (times !== 1)
      assert.is(times, 1, `times that key ${key} of ${record.topic} finds ${record.physicalOffset}`);
  });
  assert.ok(doubles <= doublesMax, `${doubles} keys find their message twice`);
  await forAll(records, async (record) => {
    const answer = await ask(client, StoreCode.VIEW_MESSAGE_BY_ID, { offset: record.physicalOffset });
    assert.is(decodeRecord(answer.body, 0).queueOffset, record.queueOffset);
  });
}

/** Fastjson writes number keys without quotes. */
export function parseFastjson(text: string): unknown {
  return JSON.parse(text.replace(/([{,]\s*)(-?\d+)\s*:/g, '$1"$2":'));
}

export interface Tables {
  /** By name, without the data version. */
  readonly topics: Readonly<Record<string, unknown>>;
  readonly groups: Readonly<Record<string, unknown>>;
  /** topic@group -> queue id -> offset. */
  readonly offsets: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

interface Bodies {
  readonly topicConfigTable: Tables['topics'];
  readonly subscriptionGroupTable: Tables['groups'];
  readonly offsetTable: Tables['offsets'];
}

export async function tablesOf(client: RemotingClient): Promise<Tables> {
  const body = async (code: number): Promise<Bodies> =>
    parseFastjson((await ask(client, code, {})).body.toString()) as Bodies;
  return {
    topics: (await body(StoreCode.ALL_TOPICS)).topicConfigTable,
    groups: (await body(StoreCode.ALL_GROUPS)).subscriptionGroupTable,
    offsets: (await body(StoreCode.ALL_CONSUMER_OFFSETS)).offsetTable,
  };
}

/** How far a broker has checked transactions: goes on by itself. */
const OWN_OFFSETS = '@CID_RMQ_SYS_TRANS';

/** What was there is there, unchanged; more may have come. */
export function assertTablesKept(before: Tables, now: Tables): void {
  for (const table of ['topics', 'groups', 'offsets'] as const) {
    for (const [name, value] of Object.entries(before[table])) {
      if (!name.endsWith(OWN_OFFSETS)) assert.equal(now[table][name], value, `${table}: ${name}`);
    }
  }
}
