/** What the tests assert about the reports of producers and consumers. */
import * as assert from 'uvu/assert';
import type { Client, Line, Report } from './programs.js';
import type { Addresses } from './servers.js';

export function sorted(values: Iterable<string>): string[] {
  return [...values].sort();
}

function place(line: Line): string {
  return `${line.broker} ${line.queue}`;
}

/** Queue offsets by queue, in the order of the lines. */
export function offsetsByQueue(lines: readonly Line[]): Map<string, number[]> {
  const offsets = new Map<string, number[]>();
  for (const line of lines) {
    const known = offsets.get(place(line));
    if (known === undefined) offsets.set(place(line), [Number(line.offset)]);
    else known.push(Number(line.offset));
  }
  return offsets;
}

/** Every message was stored and, under SYNC_MASTER, replicated: SEND_OK is the only status that says so. */
export function assertAllAcknowledged(sent: Report, count: number): void {
  assert.equal(sent.of('failed'), []);
  assert.is(Number(sent.done.acknowledged), count);
  assert.equal([...new Set(sent.of('sent').map((line) => line.status))], ['SEND_OK']);
}

/** The queue offsets of a topic's first messages: 0, 1, 2, ... in every queue that got any. */
export function assertDenseFromZero(lines: readonly Line[]): void {
  for (const [queue, offsets] of offsetsByQueue(lines)) {
    const ascending = offsets.toSorted((a, b) => a - b);
    assert.equal(
      ascending,
      ascending.map((_, index) => index),
      `queue offsets of ${queue}`,
    );
  }
}

export function assertBrokersUsed(sent: Report, cluster: Addresses): void {
  const masters = cluster.brokers.filter((broker) => broker.id === 0).map((broker) => broker.name);
  assert.equal(sorted(new Set(sent.of('sent').map((line) => line.broker!))), sorted(masters));
}

/** Each message exactly once, with the body that was sent, at the queue and offset that the producer was told. */
export function assertConsumedOnce(sent: Report, received: Report): void {
  assert.equal(sorted(received.ids('received')), sorted(sent.ids('sent')));
  const told = new Map(sent.of('sent').map((line) => [line.id, line]));
  for (const line of received.of('received')) {
    const promised = told.get(line.id)!;
    assert.is(line.intact, 'true', `body of ${line.id}`);
    if (promised.offset === undefined) continue; // one-way: nothing was promised
    assert.equal([place(line), line.offset], [place(promised), promised.offset], `place of ${line.id}`);
  }
}

/** For a consumer that reads each queue by itself: offsets go up by one, and ids of one producer in the order sent. */
export function assertQueueOrder(lines: readonly Line[]): void {
  for (const [queue, offsets] of offsetsByQueue(lines)) {
    const ascending = offsets.toSorted((a, b) => a - b);
    assert.equal(offsets, ascending, `order in ${queue}`);
    const numbers = lines.filter((line) => place(line) === queue).map((line) => Number(line.id!.split('-').at(-1)));
    assert.equal(
      numbers,
      numbers.toSorted((a, b) => a - b),
      `order of the ids in ${queue}`,
    );
  }
}

/** Sends and expects every acknowledgement. */
export async function produce(
  client: Client,
  cluster: Addresses,
  options: { topic: string; prefix: string; count: number; [option: string]: string | number | boolean },
): Promise<Report> {
  const sent = await client.run('produce', { namesrv: cluster.namesrv, ...options });
  assertAllAcknowledged(sent, options.count);
  return sent;
}

export async function consume(
  client: Client,
  cluster: Addresses,
  options: { topic: string; group: string; count: number; [option: string]: string | number | boolean },
): Promise<Report> {
  return await client.run('push', { namesrv: cluster.namesrv, ...options });
}
