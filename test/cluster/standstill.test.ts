/** A process that stands still for longer than any send may wait, and goes on: nobody is told that it is busy. */
import { setTimeout as pass } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { metric, stopBy, temporaryDirectory, up } from '../support/hangar-process.js';
import { Code, RemotingClient, sendFields } from '../support/remoting-client.js';

const IN_FLIGHT = 64;
/** waitTimeMillsInSendQueue is 200. */
const STILL_MS = 1_500;
const TOPIC = 'broker-a';

const standstill = suite('a process that stood still');

standstill('serves the sends that waited, and counts no refusal', async () => {
  const hangar = await up('--topology', 'single', '--ephemeral', '--store', temporaryDirectory());
  try {
    const client = await RemotingClient.connect(hangar.addresses.get(TOPIC)!);
    const codes = new Map<number, number>();
    let slowestMs = 0;
    let isOver = false;
    const sender = async (): Promise<void> => {
      while (!isOver) {
        const since = performance.now();
        const { code } = await client.call(Code.SEND, sendFields(TOPIC, 0), Buffer.from('x'));
        slowestMs = Math.max(slowestMs, performance.now() - since);
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
    };
    const senders = Array.from({ length: IN_FLIGHT }, sender);
    for (let round = 0; round < 2; round++) {
      await pass(300);
      hangar.child.signal('SIGSTOP');
      await pass(STILL_MS);
      hangar.child.signal('SIGCONT');
    }
    await pass(300);
    isOver = true;
    await Promise.all(senders);
    client.close();
    assert.ok(slowestMs > STILL_MS - 200, `sends waited, the slowest for ${slowestMs} ms`);
    assert.equal([...codes.keys()], [0]);
    assert.is(await metric(hangar.metrics, 'hangar_busy_refusals_total'), 0);
    assert.is(await stopBy(hangar.child, 'SIGTERM'), 0);
  } finally {
    hangar.child.signal('SIGCONT');
    await hangar.child.kill();
  }
});

standstill.run();
