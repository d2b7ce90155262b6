/**
 * Cost of the front actor alone: fake sockets on one side, rings that are emptied between its turns on the other. Only
 * its own turns are timed. Run: node dist/test/bench/front.bench.js
 */
import { Exposition } from '../../src/actors/front/exposition.js';
import { KIB, MIB } from '../../src/base/units.js';
import { SLAB_BYTES, Meter } from '../../src/runtime/slab.js';
import { catalog } from '../../metrics/catalog.js';
import { counter } from '../../metrics/meter.js';
import { Driver, frame, ID, PORT, request } from '../actors/front/driver.js';

const SECONDS = 1;
const WARM_UP_SECONDS = 0.5;

/** Repeats `round` and prints how many of what it handles a second of front time. */
function measure(name: string, driver: Driver, perRound: number, feed: () => void): void {
  const front = driver.cores[0];
  let busyMs = 0;
  let count = 0;
  let isWarm = false;
  for (;;) {
    feed();
    const startMs = performance.now();
    driver.network.run();
    front.turn();
    busyMs += performance.now() - startMs;
    count += perRound;
    driver.cores[1].turn();
    driver.forget();
    if (!isWarm && busyMs > WARM_UP_SECONDS * 1000) {
      isWarm = true;
      busyMs = 0;
      count = 0;
    }
    if (isWarm && busyMs > SECONDS * 1000) break;
  }
  const perSecond = count / (busyMs / 1000);
  console.log(`${name.padEnd(58)} ${Math.round(perSecond / 1000)} k/s, ${((busyMs * 1e6) / count).toFixed(0)} ns each`);
}

function input(name: string, frameBytes: Buffer, framesPerChunk: number, connections: number, hosts = 1): void {
  const driver = Driver.open({ hosts });
  const peers = Array.from({ length: connections }, () => driver.connect(PORT.brokerA));
  driver.settle();
  const chunk = Buffer.concat(Array.from({ length: framesPerChunk }, () => frameBytes));
  measure(name, driver, framesPerChunk * connections, () => {
    for (const peer of peers) peer.send(chunk);
  });
}

function output(name: string, answerBytes: number, perConnection: number, connections: number): void {
  const driver = Driver.open();
  const peers = Array.from({ length: connections }, () => driver.connect(PORT.brokerA));
  driver.settle();
  const answer = request(1, answerBytes);
  measure(name, driver, perConnection * connections, () => {
    for (let i = 0; i < perConnection; i++) {
      for (let id = 1; id <= connections; id++) driver.write(ID.brokerA, id, answer);
    }
    driver.cores[1].turn();
    for (const peer of peers) peer.received.length = 0;
  });
}

async function scrape(series: number): Promise<void> {
  const slabs = [new ArrayBuffer(SLAB_BYTES), new ArrayBuffer(SLAB_BYTES)];
  for (const slab of slabs) {
    const meter = new Meter(slab);
    for (let i = 0; i < series; i++)
      counter(meter, catalog.messagesIn, { broker: 'broker-a', topic: `topic-${i}` }).add(i);
  }
  const health = new Int32Array([1]).buffer;
  const exposition = new Exposition({ slabs, rings: [], health, unitNames: ['broker-a'] });
  await exposition.metrics();
  const startMs = performance.now();
  for (let i = 0; i < 5; i++) await exposition.metrics();
  console.log(
    `scrape, ${series} series in each of two slabs`.padEnd(58),
    `${((performance.now() - startMs) / 5).toFixed(1)} ms`,
  );
}

const pull = frame(
  '{"code":11,"extFields":{"commitOffset":"0","consumerGroup":"G","maxMsgNums":"32","queueId":"3","queueOffset":"100","subVersion":"0","subscription":"*","suspendTimeoutMillis":"15000","sysFlag":"2","topic":"TopicTest"},"flag":0,"language":"JAVA","opaque":7,"serializeTypeCurrentRPC":"JSON","version":407}',
);
input('in: 1 KiB sends, 48 a chunk, 16 connections', request(1, KIB), 48, 16);
input('in: 1 KiB sends, one a chunk, 64 connections', request(1, KIB), 1, 64);
input('in: pulls, 100 a chunk, 16 connections, one queue host', pull, 100, 16);
input('in: pulls, 100 a chunk, 16 connections, two queue hosts', pull, 100, 16, 2);
output('out: 200 B answers, 32 a turn, 16 connections', 100, 32, 16);
output('out: 200 B answers, one a turn, 64 connections', 100, 1, 64);
output('out: 32 KiB answers, 4 a turn, 16 connections', 32 * KIB, 4, 16);
await scrape(500);
await scrape(10_000);
console.log(`heap ${Math.round(process.memoryUsage().heapUsed / MIB)} MiB`);
