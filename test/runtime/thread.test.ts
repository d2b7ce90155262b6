/** A worker thread that is stopped. The doorbell is rung behind the call, but may be heard before it. */
import { MessageChannel, Worker } from 'node:worker_threads';
import * as Comlink from 'comlink';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nodeEndpoint } from '../../src/runtime/endpoint.js';
import type { ThreadData, ThreadEvent } from '../../src/runtime/thread.js';
import { makeWiring } from '../../src/runtime/wiring.js';
import { within } from '../support/within.js';

const LIMIT_MS = 10_000;
const SEED = 1;

const thread = suite('worker thread');

thread('one that terminates sockets ends when it is told to, though no doorbell is rung any more', async () => {
  const { port1, port2 } = new MessageChannel();
  const workerData: ThreadData = {
    thread: 0,
    wiring: makeWiring({ threads: [{ name: 'front', kind: 'sockets' }], actors: [], units: [] }),
    registryUrl: '',
    definitions: [],
    io: undefined,
    disk: undefined,
    ramDisks: [],
    seed: SEED,
    events: port2,
  };
  const isUp = new Promise<void>((resolve) => {
    port1.on('message', ({ kind }: ThreadEvent) => kind === 'up' && resolve());
  });
  const url = new URL('../../src/runtime/thread.js', import.meta.url);
  const worker = new Worker(url, { workerData, transferList: [port2] });
  try {
    const ended = new Promise<number>((resolve) => worker.once('exit', resolve));
    await within(LIMIT_MS, 'the thread is up', isUp);
    const remote = Comlink.wrap<{ stop(): Promise<void> }>(nodeEndpoint(worker));
    // Not awaited: the thread may be gone before its answer is on the way.
    void remote.stop();
    assert.is(await within(LIMIT_MS, 'its end', ended), 0);
  } finally {
    await worker.terminate();
    port1.close();
  }
});

thread.run();
