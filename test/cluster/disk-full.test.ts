/**
 * A broker on a file system that really fills up: a tmpfs of a few MiB in a mount namespace of its own, which needs no root
 * where user namespaces are allowed. Filled and emptied through /proc/PID/root.
 */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Child, until } from '../interop/harness/process.js';
import { CLI, metric, oneBroker, stopBy, temporaryDirectory, whenUp } from '../support/hangar-process.js';
import { Code, RemotingClient, readQueue, sendFields } from '../support/remoting-client.js';

const SIZE_MIB = 24;
const BALLAST_MIB = 12;
const MIB = 1024 * 1024;
const MOUNT = `mount -t tmpfs -o size=${SIZE_MIB}m tmpfs "$0" && exec "$@"`;
const SERVICE_NOT_AVAILABLE = 14;
const TOPIC = 'broker-a';
const BODY_BYTES = 1024;

/** Why there can be no small file system here; undefined when there can. */
function missing(): string | undefined {
  try {
    execFileSync('unshare', ['-rm', 'sh', '-c', MOUNT, temporaryDirectory(), 'true'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n', 1)[0];
  }
}

const full = suite('a file system that is full');
const why = missing();

if (why !== undefined) {
  console.log(`SKIPPED, because no small file system can be mounted here (${why})`);
} else {
  full(
    'sends are refused, reads go on; with room again sends are taken, and what was acknowledged is there once',
    async () => {
      const directory = temporaryDirectory();
      const config = oneBroker({
        diskSpaceWarningLevelRatio: 100,
        diskMaxUsedSpaceRatio: 95,
        flushIntervalConsumeQueue: 200,
      });
      const args = [
        '-rm',
        'sh',
        '-c',
        MOUNT,
        directory,
        process.execPath,
        CLI,
        'up',
        '--config',
        config,
        '--ephemeral',
      ];
      const command = {
        name: 'hangar on a small disk',
        file: 'unshare',
        args: [...args, '--store', join(directory, 'store')],
      };
      const hangar = await whenUp(new Child(command));
      try {
        const ballast = `/proc/${hangar.child.pid}/root${directory}/ballast`;
        writeFileSync(ballast, Buffer.alloc(BALLAST_MIB * MIB, 1));
        const client = await RemotingClient.connect(hangar.addresses.get('broker-a')!);
        const acknowledged = new Set<string>();
        let sent = 0;
        const send = async (): Promise<{ readonly code: number; readonly remark: string }> => {
          const id = `m${sent++}.`;
          const answer = await client.call(Code.SEND, sendFields(TOPIC, 0), Buffer.alloc(BODY_BYTES, id));
          if (answer.code === 0) acknowledged.add(id);
          return answer;
        };
        // Until nothing is taken any more: SIZE - BALLAST of records, entries and index pages, and then some.
        let refused = 0;
        while (refused < 200) {
          const answers = await Promise.all(Array.from({ length: 50 }, send));
          const bad = answers.filter(({ code }) => code !== 0);
          for (const { code, remark } of bad) {
            assert.is(code, SERVICE_NOT_AVAILABLE);
            assert.match(remark, /ENOSPC.*free space/);
          }
          refused = bad.length === answers.length ? refused + bad.length : 0;
          assert.ok(sent < (2 * SIZE_MIB * MIB) / BODY_BYTES, 'the file system never became full');
        }
        assert.ok(acknowledged.size > 1000, `${acknowledged.size} were acknowledged`);
        await until('the metric says so', 5_000, async () =>
          (await metric(hangar.metrics, 'hangar_broker_writable', { broker: 'broker-a' })) === 0 ? true : undefined,
        );
        // Reads go on: what is in the consume queue, in its file or in memory.
        assert.ok((await readQueue(client, TOPIC, 0)).length > 1000);

        rmSync(ballast);
        await until('sends are taken again', 15_000, async () => ((await send()).code === 0 ? true : undefined));
        for (const { code } of await Promise.all(Array.from({ length: 100 }, send))) assert.is(code, 0);
        const bodies = await until('everything acknowledged is there', 15_000, async () => {
          const messages = await readQueue(client, TOPIC, 0);
          const ids = messages.map(({ body }) => body.toString('latin1', 0, body.indexOf('.') + 1));
          return [...acknowledged].every((id) => ids.includes(id)) ? messages.map(({ body }) => body) : undefined;
        });
        const ids = bodies.map((body) => body.toString('latin1', 0, body.indexOf('.') + 1));
        assert.is(new Set(ids).size, ids.length, 'nothing is there twice');
        for (const [index, body] of bodies.entries()) {
          assert.ok(body.equals(Buffer.alloc(BODY_BYTES, ids[index]!)), `message ${index} is whole`);
        }
        assert.is(await metric(hangar.metrics, 'hangar_actor_restarts_total'), 0, 'nothing crashed');
        client.close();
        assert.is(await stopBy(hangar.child, 'SIGTERM'), 0);
      } finally {
        await hangar.child.kill();
      }
    },
  );
}

full.run();
