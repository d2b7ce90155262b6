/** A store whose oldest files Hangar deleted goes to Apache's broker and back. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import {
  Code,
  messagesOf,
  type PulledMessage,
  pullFields,
  type RemotingClient,
  sendFields,
} from '../support/remoting-client.js';
import { until } from './harness/process.js';
import { SIZES, type StoreHome } from './harness/store-home.js';
import { storeLife } from './harness/store-suite.js';

const TOPIC = 'Retained';
const OLD_TOPIC = 'Forgotten';
const BUDGET = 4 * SIZES.logFile;

const life = await storeLife('a store whose oldest files were deleted');

interface Range {
  readonly min: number;
  readonly max: number;
  readonly bodies: readonly string[];
}

async function send(client: RemotingClient, topic: string, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const answer = await client.call(
      Code.SEND,
      sendFields(topic, 0, 'KEYS\u0001k'),
      Buffer.from(`${n}`.padEnd(8_000, '.')),
    );
    assert.is(answer.code, 0, answer.remark);
  }
}

async function offset(client: RemotingClient, code: number, topic: string): Promise<number> {
  return Number((await client.call(code, { topic, queueId: 0 })).fields.offset);
}

async function rangeOf(client: RemotingClient): Promise<Range> {
  const min = await offset(client, Code.MIN_OFFSET, TOPIC);
  const max = await offset(client, Code.MAX_OFFSET, TOPIC);
  const found: PulledMessage[] = [];
  for (let next = min; next < max; ) {
    const answer = await client.call(Code.PULL, pullFields(TOPIC, 0, next));
    assert.is(answer.code, 0, `at ${next}: ${answer.remark}`);
    found.push(...messagesOf(answer.body));
    next = Number(answer.fields.nextBeginOffset);
  }
  assert.equal(
    found.map(({ queueOffset }) => queueOffset),
    Array.from({ length: max - min }, (_, n) => min + n),
  );
  const early = await client.call(Code.PULL, pullFields(TOPIC, 0, min - 1));
  assert.equal([early.code, early.remark, Number(early.fields.nextBeginOffset)], [21, 'OFFSET_TOO_SMALL', min]);
  return { min, max, bodies: found.map(({ body }) => body.toString()) };
}

let range: Range;

async function used(home: StoreHome, use: (client: RemotingClient) => Promise<void>): Promise<void> {
  const client = await home.connect();
  try {
    await use(client);
  } finally {
    client.close();
  }
}

life.step('Hangar fills it beyond its budget', async (home) => {
  const hangar = await home.open('hangar', { storeMaxBytes: BUDGET });
  await used(home, async (client) => {
    await send(client, OLD_TOPIC, 5);
    await send(client, TOPIC, 250);
    // A file that is not written yet cannot be deleted.
    const queue = join(home.store, 'consumequeue', TOPIC, '0');
    const first = (): number | undefined => (existsSync(queue) ? Number(readdirSync(queue).sort()[0]) : undefined);
    await until('the queue is written', 10_000, async () => (first() === undefined ? undefined : true));
    await send(client, TOPIC, 250);
    await until('consume queue files follow', 10_000, async () => (first()! > 0 ? true : undefined));
    range = await rangeOf(client);
  });
  assert.ok(range.min > 100 && range.max === 500, `${range.min} to ${range.max}`);
  assert.ok(readdirSync(join(home.store, 'commitlog')).length <= BUDGET / SIZES.logFile);
  await hangar.stop();
});

life.step("Apache's broker has what is left, with the same offsets, and appends", async (home) => {
  const apache = await home.open('apache');
  await used(home, async (client) => {
    assert.equal(await rangeOf(client), range);
    await send(client, TOPIC, 20);
    range = await rangeOf(client);
    assert.is(range.max, 520);
    assert.is(await offset(client, Code.MAX_OFFSET, OLD_TOPIC), 5);
  });
  await apache.stop();
});

const CLEAN_EXPIRED_CONSUMEQUEUE = 306;

life.step('Hangar goes on with it; a queue without messages is removed and begins at 0 again', async (home) => {
  const hangar = await home.open('hangar', { storeMaxBytes: BUDGET });
  await used(home, async (client) => {
    assert.equal(await rangeOf(client), range);
    assert.is((await client.call(CLEAN_EXPIRED_CONSUMEQUEUE, {})).code, 0);
    assert.is(await offset(client, Code.MAX_OFFSET, OLD_TOPIC), 0);
    await until('the directory is gone', 5_000, async () =>
      existsSync(join(home.store, 'consumequeue', OLD_TOPIC, '0')) ? undefined : true,
    );
    assert.equal(await rangeOf(client), range);
  });
  await hangar.kill();
});

life.step("Apache's broker agrees after that SIGKILL", async (home) => {
  const apache = await home.open('apache');
  await used(home, async (client) => {
    assert.equal(await rangeOf(client), range);
    assert.is(await offset(client, Code.MAX_OFFSET, OLD_TOPIC), 0);
    await send(client, OLD_TOPIC, 1);
    assert.is(await offset(client, Code.MAX_OFFSET, OLD_TOPIC), 1);
  });
  await apache.stop();
});

life.run();
