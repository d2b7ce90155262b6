/** The generator against a broker that answers as told: counts, latencies and failures are those that must come out. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Answer, FakeBroker, frameOf, type Request, recordOf } from './fake-broker.js';
import { Latencies, merge, type PartFigures } from './figures.js';
import { Code, jsonFrame, PullFrame, sendFrame, slotFrames } from './frames.js';
import { type LoadOptions, type Mode, readOptions } from './options.js';
import { Reply } from './reply.js';
import { runLoad } from './run.js';

const SUCCESS: Answer = { code: 0, fields: { msgId: 'x', queueId: '0', queueOffset: '0' } };

function headerOf(frame: Buffer): { opaque: number; code: number; extFields: Record<string, string> } {
  return JSON.parse(frame.toString('utf8', 8, 8 + frame.readInt32BE(4)));
}

async function load(
  mode: Mode,
  flags: Readonly<Record<string, number>>,
  broker: FakeBroker,
): Promise<{ figures: Record<string, string>; notes: readonly string[] }> {
  const address = await broker.listen();
  try {
    const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
    const { line, notes } = await runLoad(readOptions(mode, ['--brokers', address, ...args]));
    return { figures: Object.fromEntries(line.split(' ').map((pair) => pair.split('='))), notes };
  } finally {
    broker.close();
  }
}

const frames = suite('load: frames');

frames('every slot has a frame of its own that differs in the opaque only', () => {
  const options = readOptions('send', ['--topic', 'T', '--size', '3']);
  const frame = sendFrame(options, 5);
  const slots = slotFrames(frame, 3, false);
  for (let slot = 0; slot < 3; slot++) {
    const bytes = slots.subarray(slot * frame.bytes.length, (slot + 1) * frame.bytes.length);
    assert.is(bytes.readInt32BE(0), bytes.length - 4);
    const { opaque, code, extFields } = headerOf(bytes);
    assert.is(opaque, 1_000_000_000 + slot);
    assert.is(code, Code.SEND_V2);
    assert.is(extFields.e, '5');
    assert.is(extFields.i, 'WAIT\u0001true\u0002TAGS\u0001t');
    assert.is(bytes.toString('utf8', frame.bodyAt), 'xxx');
  }
});

frames('a binary header carries the same fields and the opaque of its slot', () => {
  const options = readOptions('send', ['--binary', '--size', '3']);
  const frame = sendFrame(options, 5);
  const slots = slotFrames(frame, 2, true);
  const second = slots.subarray(frame.bytes.length);
  assert.is(second.readUInt32BE(4) >>> 24, 1);
  assert.is(second.readInt16BE(8), Code.SEND_V2);
  assert.is(second.readInt32BE(frame.opaqueAt), 1_000_000_001);
  assert.is(second.readInt32BE(8 + 17), (second.readUInt32BE(4) & 0xff_ffff) - 21, 'length of the ext fields');
  assert.is(second.toString('utf8', frame.bodyAt), 'xxx');
});

frames('a pull frame is complete at offsets of any length, longer or shorter than the one before', () => {
  const pull = new PullFrame('T', 3, 32, 0);
  for (const offset of [0, 7, 123_456, 42, Number.MAX_SAFE_INTEGER]) {
    const bytes = pull.at(offset);
    assert.is(bytes.readInt32BE(0), bytes.length - 4);
    const { extFields, opaque } = headerOf(bytes);
    assert.is(extFields.queueOffset, String(offset));
    assert.is(extFields.expressionType, 'TAG');
    assert.is(opaque, 1_000_000_000);
  }
});

frames('a reply is read once all of it is there, whatever the order of its keys', () => {
  const json = frameOf({ version: 407, opaque: 1_000_000_004, extFields: { offset: '12' }, flag: 1, code: 17 });
  const bytes = Buffer.concat([Buffer.from('??'), json]);
  const reply = new Reply();
  for (let filled = 2; filled < bytes.length; filled++) assert.is(reply.read(bytes, 2, filled), false);
  assert.is(reply.read(bytes, 2, bytes.length), true);
  assert.equal([reply.code, reply.slot, reply.isResponse, reply.end], [17, 4, true, bytes.length]);
  assert.is(reply.field(Buffer.from('"offset":')), 12);
  assert.is(reply.field(Buffer.from('"nextBeginOffset":')), undefined);
});

frames('a binary reply has its code, opaque, flag and remark', () => {
  const request = jsonFrame(Code.SEND_V2, {}).bytes;
  const remark = Buffer.from('broker busy');
  const header = Buffer.alloc(21 + remark.length);
  header.writeInt16BE(2, 0);
  header.writeInt32BE(1_000_000_031, 5);
  header.writeInt32BE(1, 9);
  header.writeInt32BE(remark.length, 13);
  remark.copy(header, 17);
  const words = Buffer.alloc(8);
  words.writeInt32BE(4 + header.length, 0);
  words.writeUInt32BE((1 << 24) | header.length, 4);
  const bytes = Buffer.concat([request, words, header]);
  const reply = new Reply();
  assert.is(reply.read(bytes, request.length, bytes.length), true);
  assert.equal([reply.code, reply.slot, reply.isResponse, reply.remark()], [2, 31, true, 'broker busy']);
});

const counting = suite('load: counts');

counting('histograms of threads merge; equal latencies in a row are all counted', () => {
  const part = (ms: readonly number[]): PartFigures => {
    const latencies = new Latencies();
    for (const value of ms) latencies.record(value);
    const failures = [{ kind: 'code 2', count: 1, remark: 'busy' }];
    return { latencies: latencies.encode(), failures, measured: ms.length, sent: 0, received: 0, unsent: 0, busy: 0 };
  };
  const figures = merge([part([1, 1, 1, 0.25]), part([1, 100])]);
  assert.is(figures.latencies.totalCount, 6);
  assert.is(figures.latencies.getValueAtPercentile(50), 1000);
  assert.is(Math.round(figures.latencies.maxValue / 1000), 100);
  assert.is(figures.failed, 2);
});

counting('a closed loop counts what was answered with success, and failures by code', async () => {
  let sends = 0;
  const notice = frameOf({ code: 40, flag: 2, opaque: 1_000_000_000, extFields: { consumerGroup: 'g' } });
  // Answers in pieces of 7 bytes, a request of the broker's own before each, and every tenth one a failure.
  const broker = new FakeBroker(({ code }) => {
    if (code !== Code.SEND_V2) return SUCCESS;
    return ++sends % 10 === 0 ? { code: 2, remark: 'broker busy', before: notice } : { ...SUCCESS, before: notice };
  }, 7);
  const { figures, notes } = await load(
    'send',
    { conns: 3, inflight: 4, size: 10, seconds: 0.3, warm: 0, threads: 2 },
    broker,
  );
  assert.is(Number(figures.failed), Math.floor(sends / 10));
  // Answers after the end are not measured: at most one for each request in flight.
  const measured = Math.round(Number(figures.ok_per_s) * 0.3);
  const succeeded = sends - Math.floor(sends / 10);
  assert.ok(measured > 0 && measured <= succeeded && succeeded - measured <= 12 + 1, `${measured} of ${succeeded}`);
  assert.match(notes.join('\n'), /\d+ x code 2, the first: broker busy/);
});

counting('requests on a connection that the server closes are failures', async () => {
  let sends = 0;
  const broker = new FakeBroker(({ code }, socket) => {
    if (code !== Code.SEND_V2) return SUCCESS;
    if (++sends <= 5) return SUCCESS;
    socket.destroy();
    return undefined;
  });
  const { figures, notes } = await load('send', { conns: 1, inflight: 4, size: 10, seconds: 0.2, warm: 0 }, broker);
  assert.is(Number(figures.failed), 4);
  assert.match(notes.join('\n'), /4 x closed/);
});

counting('an open loop sends nothing more on a connection that the server closed', async () => {
  let sends = 0;
  const broker = new FakeBroker(({ code }, socket) => {
    if (code !== Code.SEND_V2) return SUCCESS;
    if (++sends <= 5) return SUCCESS;
    socket.destroy();
    return undefined;
  });
  const flags = { conns: 1, inflight: 1, rate: 200, size: 10, seconds: 0.3, warm: 0 };
  const { figures, notes } = await load('send', flags, broker);
  assert.is(Number(figures.failed), 1);
  // 60 were due: 5 answered, 1 lost.
  assert.is(Number(figures.unsent), 54);
  assert.match(notes.join('\n'), /54 messages were due and never sent/);
});

counting(
  'an open loop keeps its rate and counts a stall of the server from the moment when messages were due',
  async () => {
    const STALL_MS = 250;
    let firstMs = 0;
    let hasStalled = false;
    const broker = new FakeBroker(async ({ code }) => {
      if (code !== Code.SEND_V2) return SUCCESS;
      firstMs ||= performance.now();
      if (!hasStalled && performance.now() - firstMs > 200) {
        hasStalled = true;
        await new Promise((resolve) => setTimeout(resolve, STALL_MS));
      }
      return SUCCESS;
    });
    // One in flight: a closed loop would see one slow answer. Here every message that was due during the stall is slow.
    const { figures } = await load(
      'send',
      { conns: 1, inflight: 1, rate: 500, size: 10, seconds: 1, warm: 0, threads: 1 },
      broker,
    );
    // What is due in the last moment may be answered after the end.
    const rate = Number(figures.ok_per_s);
    assert.ok(rate <= 500 && rate >= 490, `${rate}/s`);
    assert.is(Number(figures.unsent), 0);
    // A timer may fire a millisecond early.
    assert.ok(Number(figures.max_us) >= (STALL_MS - 2) * 1000, `max ${figures.max_us} µs`);
    // A quarter of the messages was due during the stall; the slower half of them waited more than half of it.
    const slow = Number(figures.p99_us);
    assert.ok(slow > (STALL_MS / 2) * 1000, `p99 ${slow} µs`);
  },
);

counting('a catch-up read counts every record of every queue once', async () => {
  const perQueue = 70;
  const pulled = (request: Request): Answer => {
    const offset = Number(request.fields.queueOffset);
    const next = Math.min(perQueue, offset + Number(request.fields.maxMsgNums));
    const fields = { nextBeginOffset: String(next), minOffset: '0', maxOffset: String(perQueue) };
    if (next === offset) return { code: 19, fields };
    const records = Array.from({ length: next - offset }, () => recordOf(Buffer.alloc(100)));
    return { code: 0, fields, body: Buffer.concat(records) };
  };
  const broker = new FakeBroker((request) => (request.code === Code.PULL ? pulled(request) : SUCCESS), 1000);
  const { figures, notes } = await load('pull', { conns: 3, queues: 5, threads: 2 }, broker);
  assert.is(Number(figures.msgs), 5 * perQueue);
  assert.not.match(notes.join('\n'), /code|closed/);
});

/** Stores what is sent and answers pulls `delayMs` later with what is there by then; `onPull` sees each of them. */
function storingBroker(delayMs: number, onPull: (fields: Request['fields']) => void = () => {}): FakeBroker {
  const logs = new Map<string, Buffer[]>();
  const logOf = (queue: string): Buffer[] => {
    if (!logs.has(queue)) logs.set(queue, []);
    return logs.get(queue)!;
  };
  return new FakeBroker(async ({ code, fields, body }) => {
    if (code === Code.SEND_V2) logOf(fields.e!).push(recordOf(body));
    if (code === Code.GET_MAX_OFFSET) return { code: 0, fields: { offset: String(logOf(fields.queueId!).length) } };
    if (code !== Code.PULL) return SUCCESS;
    onPull(fields);
    const offset = Number(fields.queueOffset);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    const records = logOf(fields.queueId!).slice(offset, offset + Number(fields.maxMsgNums));
    const next = { nextBeginOffset: String(offset + records.length) };
    return { code: records.length === 0 ? 19 : 0, fields: next, body: Buffer.concat(records) };
  });
}

counting('end to end: every message is received, and its latency is that of the way', async () => {
  const DELAY_MS = 30;
  const broker = storingBroker(DELAY_MS);
  const { figures, notes } = await load(
    'e2e',
    { rate: 200, queues: 2, size: 16, seconds: 0.5, warm: 0.1, threads: 2 },
    broker,
  );
  assert.is(Number(figures.sent), 120);
  assert.is(Number(figures.received), 120);
  assert.not.match(notes.join('\n'), /code|closed|never sent/);
  // A loose limit: a wrong unit or another thread's clock would be off by far more.
  assert.ok(Number(figures.p50_us) < 1_000_000, `p50 ${figures.p50_us} µs`);
  assert.ok(Number(figures.max_us) >= (DELAY_MS / 2) * 1000, `max ${figures.max_us} µs`);
});

counting('live: every group receives every message, with pulls like those of a push consumer', async () => {
  const pulls: Request['fields'][] = [];
  const broker = storingBroker(5, (fields) => pulls.push(fields));
  const { figures, notes } = await load(
    'live',
    { rate: 200, groups: 3, queues: 2, size: 16, seconds: 0.5, warm: 0.1, threads: 2, pid: process.pid },
    broker,
  );
  assert.is(Number(figures.sent), 120);
  assert.is(Number(figures.received), 3 * 120);
  const groups = new Set(pulls.map(({ consumerGroup }) => consumerGroup));
  assert.equal([...groups].sort(), ['load-g0', 'load-g1', 'load-g2']);
  for (const { sysFlag, subscription, commitOffset, queueOffset } of pulls) {
    assert.equal([sysFlag, subscription, commitOffset], ['3', undefined, queueOffset]);
  }
  assert.not.match(notes.join('\n'), /code|closed|never sent/);
  // What was sent while warming up may arrive behind it, and what came late does not count.
  assert.ok(Number(figures.measured) <= 3 * 120 && Number(figures.measured) >= 3 * 80, `${figures.measured} in 0.5 s`);
  assert.ok(Number(figures.cpu_ms) > 0, `${figures.cpu_ms} ms of CPU`);
  assert.ok(Number(figures.max_us) < 10_000_000 && Number(figures.p50_us) > 0, `p50 ${figures.p50_us} µs`);
});

counting('a wrong flag names itself', () => {
  const refused = (args: string[]): string => {
    try {
      const options: LoadOptions = readOptions('e2e', args);
      return JSON.stringify(options);
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.match(refused(['--size', '4']), /--size 4: a number from 8 on/);
  assert.match(refused(['--conns', '1.5']), /--conns 1.5: a whole number/);
  assert.match(refused(['--brokers', 'host']), /--brokers host: host:port/);
  assert.match(refused(['--nonsense']), /nonsense/);
});

frames.run();
counting.run();
