/** Bounds of what stays in memory and open of a store. One test a row of docs/architecture.md. */
import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../interop/harness/process.js';
import { embedded } from '../support/embedded.js';
import { oneBroker, stopBy, temporaryDirectory, up } from '../support/hangar-process.js';
import { type Answer, Code, pullFields, RemotingClient, readQueue, sendFields } from '../support/remoting-client.js';

const MIB = 1024 * 1024;
/** Paths of the files that a process has open. */
function openFiles(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).flatMap((fd) => {
    try {
      return [readlinkSync(`${directory}/${fd}`)];
    } catch {
      // Closed meanwhile.
      return [];
    }
  });
}

const bounds = suite('bounds: store');

bounds('log window: what is older than it is read from the file', async () => {
  const config = oneBroker({ windowBytes: MIB, maxMessageSize: 65_536 });
  await embedded(config, async ({ cluster }) => {
    const client = await RemotingClient.connect(cluster.addressOf('broker-a'));
    const sends: Promise<Answer>[] = [];
    for (let n = 0; n < 100; n++) {
      sends.push(client.call(Code.SEND, sendFields('broker-a', 0), Buffer.from(String(n).padEnd(50_000, '.'))));
    }
    for (const { code } of await Promise.all(sends)) assert.is(code, 0);
    const messages = await readQueue(client, 'broker-a', 0);
    assert.equal(
      messages.map(({ body }) => Number.parseInt(body.toString(), 10)).toSorted((a, b) => a - b),
      Array.from({ length: 100 }, (_, n) => n),
    );
    client.close();
  });
});

if (!existsSync('/proc/self/fd')) {
  console.log('SKIPPED, because there is no /proc: open files of consume queues and index');
} else {
  bounds('open files of consume queues and index: 256 a queue host, whatever is used', async () => {
    const hangar = await up('--config', oneBroker(), '--ephemeral', '--store', temporaryDirectory());
    try {
      const client = await RemotingClient.connect(hangar.addresses.get('broker-a')!);
      const queues = 1_024;
      const sends = Array.from({ length: queues }, (_, queueId) =>
        client.call(Code.SEND, sendFields('BenchmarkTest', queueId), Buffer.from(String(queueId))),
      );
      for (const { code } of await Promise.all(sends)) assert.is(code, 0);
      const reads = Array.from({ length: queues }, (_, queueId) =>
        client.call(Code.PULL, pullFields('BenchmarkTest', queueId, 0)),
      );
      for (const { code } of await Promise.all(reads)) assert.is(code, 0);
      client.close();
      // They are opened when the entries are written out, some of which are held back for a while.
      const ofQueues = await until('files of many queues are open', 15_000, async () => {
        const paths = openFiles(hangar.child.pid).filter((path) => /\/(consumequeue|index)\//.test(path));
        return paths.length >= 200 ? paths.length : undefined;
      });
      assert.ok(ofQueues <= 2 * 256, `${ofQueues} files of consume queues and index are open`);
      assert.is(await stopBy(hangar.child, 'SIGTERM'), 0);
    } finally {
      await hangar.child.kill();
    }
  });
}

bounds.run();
