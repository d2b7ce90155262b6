/** Keys that very many messages have: the broker looks for them a little at a time. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KEY_SEARCHES_MAX, KeySearches } from '../../../src/actors/broker/lookups/key-searches.js';
import { DiskError } from '../../../src/base/disk.js';
import { indexKeyHashOf } from '../../../src/message/java-hash.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { FileCache } from '../../../src/store/file-cache.js';
import { IndexService } from '../../../src/store/index-service.js';
import type { KeySearch } from '../../../src/store/key-search.js';
import { simulatedDisk, START_MS } from '../../store/support.js';
import { BrokerDriver } from './driver.js';

const KEYS = 5_000;

/** An index in which every message has the same key, the first of them alone before START_MS + 1 s. */
function hotKey(): { readonly find: () => KeySearch; readonly index: IndexService; readonly fail: () => void } {
  const { disk, clock } = simulatedDisk();
  const index = IndexService.open(new FileCache(disk), {
    directory: '/index',
    slots: 50,
    entries: 100_000,
    clock,
    onFileSynced: () => undefined,
  });
  for (let n = 0; n < KEYS; n++) index.put(7, 100 * n, START_MS + (n === 0 ? 0 : 10_000));
  index.flush();
  return {
    index,
    find: () => index.search(7, START_MS, START_MS + 1_000, 64),
    fail: () => disk.inject({ operation: 'read', pathPart: '/index', code: 'EIO', times: 1 }),
  };
}

function searches(): { readonly run: KeySearches; readonly turns: (() => void)[] } {
  const turns: (() => void)[] = [];
  const context = { after: (_delayMs: number, fire: () => void) => ({ cancel: () => undefined, n: turns.push(fire) }) };
  return { run: new KeySearches(context), turns };
}

const long = suite('broker: searches for keys');

long('that take long go on in later turns, one piece each', () => {
  const { find } = hotKey();
  const { run, turns } = searches();
  const search = find();
  let isDone = false;
  assert.ok(run.run(search, () => (isDone = true)));
  let count = 0;
  for (; turns.length > 0; count++) {
    assert.is(isDone, false);
    turns.shift()!();
  }
  assert.ok(isDone);
  assert.ok(count >= 9, `${count} turns for ${KEYS} entries`);
  assert.equal(search.offsets, [0]);
});

long('that do not take long are over at once', () => {
  const { index } = hotKey();
  const { run, turns } = searches();
  let error: unknown = 'not done';
  assert.ok(run.run(index.search(7, 0, Number.MAX_SAFE_INTEGER, 64), (reason) => (error = reason)));
  assert.is(error, undefined);
  assert.is(turns.length, 0);
});

long('too many at a time are refused, and a disk that refuses ends one of them', () => {
  const { find, fail } = hotKey();
  const { run, turns } = searches();
  const ends: (DiskError | undefined)[] = [];
  for (let n = 0; n < KEY_SEARCHES_MAX; n++) assert.ok(run.run(find(), (error) => ends.push(error)));
  assert.is(
    run.run(find(), () => assert.unreachable()),
    false,
  );
  fail();
  while (turns.length > 0) turns.shift()!();
  assert.is(ends.length, KEY_SEARCHES_MAX);
  assert.is(ends.filter((error) => error instanceof DiskError).length, 1);
  assert.ok(
    run.run(find(), () => undefined),
    'there is room again',
  );
});

long.run();

const query = suite('broker: QUERY_MESSAGE');

query('of such a key is answered when the search is over', () => {
  const broker = new BrokerDriver({ settings: 'messageIndexEnable=true' }).start();
  const index = broker.state.index!;
  const now = broker.state.context.clock.now();
  for (let n = 0; n < KEYS; n++) index.put(indexKeyHashOf('T', 'k'), 100 * n, now + (n === 0 ? 0 : 10_000));
  index.flush();
  const turnsBefore = count(broker);
  const time = { beginTimestamp: String(now), endTimestamp: String(now + 1_000) };
  const header = { topic: 'T', key: 'k', maxNum: '64', ...time };
  const { command } = broker.ask(broker.open(), RequestCode.QUERY_MESSAGE, header);
  assert.is(command.code, ResponseCode.QUERY_NOT_FOUND, 'the log has no record there');
  assert.ok(turnsBefore() >= 9);
});

function count(broker: BrokerDriver): () => number {
  let turns = 0;
  broker.onTurn = () => turns++;
  return () => turns;
}

query.run();
