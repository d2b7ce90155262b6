/** Delayed messages in a store: sent, waiting and delivered, whoever does it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { Code, type RemotingClient, sendFields } from '../../support/remoting-client.js';
import { until } from './process.js';
import { ask, contentsOf, parseFastjson, recordsIn } from './store-contents.js';
import { readLog, readQueueFiles, readQueueRecords } from './store-files.js';
import { propertyText } from './store-filling.js';

export const SCHEDULE = 'SCHEDULE_TOPIC_XXXX';
export const REMINDERS = 'reminders';
/** Sent by one call of `sendDelayed`. */
export const DELAYED = 5;

/** Levels 1 to 3: delivered at once, delivered soon, not delivered during a test. */
export function delays(soonSeconds: number): { readonly messageDelayLevel: string } {
  return { messageDelayLevel: `1s ${soonSeconds}s 1h` };
}

export const Level = { ONCE: 1, SOON: 2, HOUR: 3 } as const;
const HOUR_MS = 3_600_000;
const DELIVERED_MS = 30_000;

/** DELAYED messages of a level, with the level in their bodies; rounds differ. */
export async function sendDelayed(client: RemotingClient, level: number, round = 1): Promise<void> {
  for (let n = 0; n < DELAYED; n++) {
    const text = propertyText({
      DELAY: String(level),
      TAGS: `level-${level}`,
      UNIQ_KEY: `DELAYED${level}R${round}N${n}`,
    });
    const fields = sendFields(REMINDERS, 0, text, { g: 1_700_000_000_000 });
    await ask(client, Code.SEND, fields, Buffer.from(`level ${level}, ${round}, ${n}`));
  }
}

/** Bodies of the messages of a level that came to their topic, in order. */
export async function delivered(client: RemotingClient, level: number): Promise<string[]> {
  const texts = recordsIn(await contentsOf(client, [{ topic: REMINDERS, queueId: 0 }])).map(({ body }) =>
    body.toString(),
  );
  return texts.filter((text) => text.startsWith(`level ${level},`));
}

/** Waits until every message of that many rounds has come, and says how many came twice, as they may after a crash. */
export async function untilDelivered(client: RemotingClient, level: number, rounds = 1): Promise<number> {
  return await until(`delayed messages of level ${level} are delivered`, DELIVERED_MS, async () => {
    const texts = await delivered(client, level);
    const distinct = new Set(texts).size;
    return distinct >= rounds * DELAYED ? texts.length - distinct : undefined;
  });
}

/** Level -> next queue offset to deliver. */
export function delayOffsets(store: string): Readonly<Record<string, number>> {
  const text = readFileSync(join(store, 'config', 'delayOffset.json'), 'utf8');
  return (parseFastjson(text) as { offsetTable: Record<string, number> }).offsetTable;
}

/** The messages that wait for their hour are there, their entries say when it is over, and none counts as delivered. */
export function assertHourPending(store: string): void {
  const queueId = Level.HOUR - 1;
  const { entries } = readQueueFiles(store, SCHEDULE, queueId);
  const records = readQueueRecords(store, readLog(store), SCHEDULE, queueId);
  assert.equal(
    entries.map(({ tagsCode }) => Number(tagsCode)),
    records.map(({ storeTimestamp }) => storeTimestamp + HOUR_MS),
  );
  assert.equal(
    records.map(({ properties }) => [
      properties.get('REAL_TOPIC'),
      properties.get('REAL_QID'),
      properties.get('DELAY'),
    ]),
    records.map(() => [REMINDERS, '0', String(Level.HOUR)]),
  );
  assert.is(records.length, DELAYED);
  assert.is(delayOffsets(store)[Level.HOUR] ?? 0, 0);
}
