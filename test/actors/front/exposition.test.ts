/** /metrics and /healthz: the text, and the listener in front of it. */
import { get, type IncomingMessage } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Exposition } from '../../../src/actors/front/exposition.js';
import { startHttp } from '../../../src/actors/front/http.js';
import { StartError } from '../../../src/base/start-error.js';
import { type RingMemory, ringBytes, RingWriter } from '../../../src/runtime/ring.js';
import { MAX_SERIES, Meter, SLAB_BYTES } from '../../../src/runtime/slab.js';
import { catalog } from '../../../metrics/catalog.js';
import { counter, gauge } from '../../../metrics/meter.js';
import { Driver, ID, PORT, request } from './driver.js';

interface Fixture {
  readonly slabs: RingMemory[];
  readonly meters: Meter[];
  readonly health: Int32Array;
  readonly exposition: Exposition;
}

function fixture(threads = 2, rings: ConstructorParameters<typeof Exposition>[0]['rings'] = []): Fixture {
  const slabs = Array.from({ length: threads }, () => new SharedArrayBuffer(SLAB_BYTES));
  const meters = slabs.map((slab) => new Meter(slab));
  const health = new Int32Array(new SharedArrayBuffer(8));
  health.fill(1);
  const unitNames = ['namesrv-a', 'broker-a'];
  return { slabs, meters, health, exposition: new Exposition({ slabs, rings, health: health.buffer, unitNames }) };
}

/** Value of a line of the text; undefined when there is no such line. */
function sampleOf(text: string, series: string): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

const text = suite('metrics text');

text('counters and gauges of all slabs, the same series added up', async () => {
  const { meters, exposition } = fixture();
  const labels = { broker: 'broker-a', topic: 'TopicTest' };
  for (const [i, meter] of meters.entries()) counter(meter, catalog.messagesOut, labels).add(10 + i);
  gauge(meters[1], catalog.commitLogEnd, { broker: 'broker-a' }).set(2 ** 40 + 1);
  const first = await exposition.metrics();
  assert.is(sampleOf(first, 'hangar_messages_out_total{broker="broker-a",topic="TopicTest"}'), 21);
  assert.is(sampleOf(first, 'hangar_commit_log_end_bytes{broker="broker-a"}'), 2 ** 40 + 1);
  counter(meters[0], catalog.messagesOut, labels).add(5);
  counter(meters[0], catalog.messagesOut, { broker: 'broker-a', topic: 'Other' }).add(1);
  const second = await exposition.metrics();
  assert.is(sampleOf(second, 'hangar_messages_out_total{broker="broker-a",topic="TopicTest"}'), 26);
  assert.is(sampleOf(second, 'hangar_messages_out_total{broker="broker-a",topic="Other"}'), 1);
});

text("every row of the catalogue with help and type, and Node's own metrics", async () => {
  const { exposition } = fixture();
  const lines = (await exposition.metrics()).split('\n');
  for (const { name, help, kind } of Object.values(catalog)) {
    assert.ok(lines.includes(`# HELP ${name} ${help}`), name);
    assert.ok(lines.includes(`# TYPE ${name} ${kind}`), name);
  }
  for (const name of ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'nodejs_eventloop_lag_seconds']) {
    assert.ok(
      lines.some((line) => line.startsWith(`${name} `)),
      name,
    );
  }
});

text('label values are escaped', async () => {
  const { meters, exposition } = fixture();
  counter(meters[0], catalog.messagesIn, { broker: 'b', topic: 'a"b\\c\nd' }).add(3);
  assert.is(sampleOf(await exposition.metrics(), 'hangar_messages_in_total{broker="b",topic="a\\"b\\\\c\\nd"}'), 3);
});

text('a name outside of the catalogue is shown all the same', async () => {
  const { meters, exposition } = fixture();
  meters[0].values[meters[0].series('hangar_unheard_of', { a: 'b' })] = 4;
  assert.is(sampleOf(await exposition.metrics(), 'hangar_unheard_of{a="b"}'), 4);
});

text('depth and stalls of rings', async () => {
  const memory = new SharedArrayBuffer(ringBytes(4096));
  const { exposition } = fixture(1, [{ from: 'front', to: 'worker-1', lane: 'request', memory }]);
  const writer = new RingWriter(memory);
  writer.claim(100);
  writer.commit(100);
  writer.publish();
  writer.countStall();
  const got = await exposition.metrics();
  assert.is(sampleOf(got, 'hangar_ring_depth_bytes{from="front",to="worker-1",lane="request"}'), 128);
  assert.is(sampleOf(got, 'hangar_ring_stalls_total{from="front",to="worker-1",lane="request"}'), 1);
});

text('units that serve, and series that found no room', async () => {
  const { health, meters, exposition } = fixture();
  Atomics.store(health, 1, 0);
  for (let i = 0; i < MAX_SERIES + 3; i++)
    meters[0].series('hangar_messages_in_total', { broker: 'b', topic: `t${i}` });
  const got = await exposition.metrics();
  assert.is(sampleOf(got, 'hangar_unit_up{unit="namesrv-a"}'), 1);
  assert.is(sampleOf(got, 'hangar_unit_up{unit="broker-a"}'), 0);
  // Series 0 of a slab is this one itself.
  assert.is(sampleOf(got, 'hangar_dropped_series'), 4);
});

text('two scrapes at once are one', async () => {
  const { exposition } = fixture();
  const [one, other] = [exposition.metrics(), exposition.metrics()];
  assert.is(one, other);
  await one;
  assert.is.not(exposition.metrics(), one);
  await exposition.metrics();
});

text('what the front counts itself', async () => {
  const driver = Driver.open();
  const peer = driver.connect(PORT.brokerA);
  peer.send(Buffer.concat([request(1), request(2)]));
  driver.settle();
  driver.write(ID.brokerA, 1, request(3));
  driver.settle();
  const got = await new Exposition(driver.options).metrics();
  assert.is(sampleOf(got, 'hangar_connections{unit="broker-a"}'), 1);
  assert.is(sampleOf(got, 'hangar_connections_opened_total{unit="broker-a"}'), 1);
  assert.is(sampleOf(got, 'hangar_frames_in_total{unit="broker-a"}'), 2);
  assert.is(sampleOf(got, 'hangar_frame_bytes_in_total{unit="broker-a"}'), 2 * request(1).length);
  assert.is(sampleOf(got, 'hangar_write_bytes_total{unit="broker-a"}'), request(3).length);
});

text.run();

const http = suite('metrics listener');
const opened: { close(): void }[] = [];
http.after.each(() => {
  for (const one of opened.splice(0)) one.close();
});

function listen(exposition: Exposition, port = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    opened.push(
      startHttp({ host: '127.0.0.1', port }, exposition, { listening: resolve, failed: reject, troubled: reject }),
    );
  });
}

function fetchText(
  port: number,
  path: string,
  method = 'GET',
): Promise<{ status: number; type: string; body: string }> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, method, agent: false }, (response: IncomingMessage) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        body += part;
      });
      response.on('end', () => {
        resolve({ status: response.statusCode!, type: response.headers['content-type']!, body });
      });
    });
    request.on('error', reject);
  });
}

http('/metrics, /healthz, and nothing else', async () => {
  const { meters, health, exposition } = fixture();
  counter(meters[0], catalog.messagesIn, { broker: 'b', topic: 't' }).add(3);
  const port = await listen(exposition);
  const metrics = await fetchText(port, '/metrics?x=y');
  assert.is(metrics.status, 200);
  assert.match(metrics.type, /^text\/plain; version=0\.0\.4/);
  assert.is(sampleOf(metrics.body, 'hangar_messages_in_total{broker="b",topic="t"}'), 3);
  assert.equal(await fetchText(port, '/healthz'), { status: 200, type: 'text/plain', body: 'ok\n' });
  Atomics.store(health, 0, 0);
  Atomics.store(health, 1, 0);
  const ill = await fetchText(port, '/healthz');
  assert.is(ill.status, 503);
  assert.is(ill.body, 'not serving: namesrv-a, broker-a\n');
  for (const path of ['/', '/metricsx', '/metrics/', '/favicon.ico'])
    assert.is((await fetchText(port, path)).status, 404);
  assert.is((await fetchText(port, '/metrics', 'POST')).status, 404);
  assert.is((await fetchText(port, '/metrics', 'HEAD')).body, '');
});

http('a request without end does not stay: the header is bounded', async () => {
  const port = await listen(fixture().exposition);
  const socket = connect(port, '127.0.0.1');
  const answer = new Promise<string>((resolve) => {
    let got = '';
    socket.on('data', (part) => {
      got += part.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(got));
  });
  socket.write(`GET /metrics HTTP/1.1\r\nx: ${'a'.repeat(100_000)}`);
  assert.match(await answer, /^HTTP\/1\.1 431 /);
});

http('a port in use is told to the operator', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  opened.push(server);
  const { port } = server.address() as AddressInfo;
  let error: unknown;
  await listen(fixture().exposition, port).catch((reason: unknown) => {
    error = reason;
  });
  assert.ok(error instanceof StartError);
  assert.match(error.message, new RegExp(`^metrics: port ${port} on 127\\.0\\.0\\.1 cannot be used`));
});

http('the listener of a front that crashed makes way for the next', async () => {
  const port = await listen(fixture().exposition);
  assert.is(await listen(fixture().exposition, port), port);
  assert.is((await fetchText(port, '/healthz')).status, 200);
});

http.run();
