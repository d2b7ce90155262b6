/** What becomes of answers that wait for flush and slave side by side: which code, and when. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { NEEDS, WaitingAnswers } from '../../../src/actors/broker/sends/waiting-answers.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { brokerMessages } from '../../../src/actors/broker/messages.js';
import { BrokerDriver } from './driver.js';

const FLUSH_MS = 5_000;
const SLAVE_MS = 3_000;
const TICK_MS = 500;
const BOTH = NEEDS.flush | NEEDS.slave;
const NEVER = Number.POSITIVE_INFINITY;

interface Limits {
  readonly flushMs?: number;
  readonly slaveMs?: number;
}

/** One answer that needs that much; the flush and the slave cover it at those times. Returns what it was, and when. */
function fate(needs: number, flushedAtMs: number, slaveAtMs: number, limits: Limits = {}): string {
  const { flushMs = FLUSH_MS, slaveMs = SLAVE_MS } = limits;
  const answers = new WaitingAnswers();
  answers.claim(10);
  answers.add(10, 1, 100, needs, 0);
  let left = '';
  for (let now = 0; now <= 20_000 && left === ''; now += TICK_MS) {
    const flushed = now >= flushedAtMs ? 100 : 0;
    const replicated = now >= slaveAtMs ? 100 : 0;
    answers.judge(now, flushMs, slaveMs, flushed, replicated);
    answers.release(100, flushed, replicated, (_connection, _bytes, _start, _end, status) => {
      left = `${status} at ${now}`;
    });
  }
  return left;
}

const waits = suite('answers that wait for flush and slave');

for (const [needs, flushedAtMs, slaveAtMs, expected] of [
  [BOTH, 1_000, 2_000, 'ok at 2000'],
  [BOTH, 2_000, 1_000, 'ok at 2000'],
  [BOTH, 1_000, NEVER, 'slave timeout at 3000'],
  [BOTH, NEVER, 1_000, 'flush timeout at 5000'],
  // When both are late the slave's verdict wins, and the answer leaves when both are known.
  [BOTH, NEVER, NEVER, 'slave timeout at 5000'],
  // Late stays late, though both have come when the answer leaves.
  [BOTH, 4_500, 4_000, 'slave timeout at 4500'],
  [NEEDS.flush, 4_500, NEVER, 'ok at 4500'],
  [NEEDS.flush, NEVER, NEVER, 'flush timeout at 5000'],
  [NEEDS.slave, NEVER, 2_500, 'ok at 2500'],
  [NEEDS.slave, NEVER, NEVER, 'slave timeout at 3000'],
  // The frame says already that there is no slave.
  [NEEDS.flush | NEEDS.hasVerdict, NEVER, NEVER, 'ok at 5000'],
  [NEEDS.flush | NEEDS.hasVerdict, 1_000, NEVER, 'ok at 1000'],
] as const) {
  const what = `needs ${needs}, flushed at ${flushedAtMs}, with the slave at ${slaveAtMs}`;
  waits(`${what}: ${expected}`, () => assert.is(fate(needs, flushedAtMs, slaveAtMs), expected));
}

waits('with a slaveTimeout above syncFlushTimeout a late flush stays late while the slave is waited for', () => {
  const limits = { slaveMs: 8_000 };
  assert.is(fate(BOTH, 5_500, 6_000, limits), 'flush timeout at 6000');
  assert.is(fate(BOTH, NEVER, NEVER, limits), 'slave timeout at 8000');
});

waits('those behind leave in order; what is dropped takes its verdict along', () => {
  const answers = new WaitingAnswers();
  const left: string[] = [];
  const release = (flushed: number, replicated: number): void =>
    answers.release(1_000, flushed, replicated, (connection, _b, _s, _e, status) =>
      left.push(`${connection} ${status}`),
    );
  const add = (connection: number, logEnd: number, nowMs: number): void => {
    answers.claim(10);
    answers.add(10, connection, logEnd, BOTH, nowMs);
  };
  add(1, 100, 0);
  add(2, 200, 0);
  add(3, 300, 0);
  answers.judge(SLAVE_MS, FLUSH_MS, SLAVE_MS, 0, 0);
  answers.dropAfter(100, (connection) => left.push(`${connection} dropped`));
  add(4, 200, SLAVE_MS);
  release(1_000, 1_000);
  assert.equal(left, ['2 dropped', '3 dropped', '1 slave timeout', '4 ok']);
  add(5, 300, SLAVE_MS);
  release(1_000, 1_000);
  assert.is(left.at(-1), '5 ok');
});

waits.run();

const sends = suite('SYNC_MASTER with SYNC_FLUSH');

/** What a send is answered, and when, whose message is neither flushed nor acknowledged by one of that many slaves. */
function lateFlush(slaves: number): readonly [code: number, afterMs: number] {
  const broker = new BrokerDriver({ settings: 'brokerRole=SYNC_MASTER\nflushDiskType=SYNC_FLUSH' }).start();
  const client = broker.open();
  const ext = { a: 'p', b: 'T', c: 'TBW102', d: '4', e: '0', f: '0', g: '0', h: '0', i: '', j: '0' };
  const send = (): number => broker.send(client, RequestCode.SEND_MESSAGE_V2, ext, { body: 'x' });
  // The first one makes the file.
  send();
  assert.is(broker.take(client)[0]?.command.code, ResponseCode.SLAVE_NOT_AVAILABLE);
  broker.haSays(brokerMessages.replicated, { offset: broker.state.log.endOffset, slaves });
  broker.disk.inject({ operation: 'sync', pathPart: '/commitlog/', code: 'EIO', times: 1 });
  send();
  for (let ms = 100; ms < 20_000; ms += 100) {
    broker.advance(100);
    const [answer] = broker.take(client);
    if (answer !== undefined) return [answer.command.code, ms];
  }
  throw new Error('no answer');
}

sends('neither flush nor slave in time: FLUSH_SLAVE_TIMEOUT, when the longer wait is over', () => {
  const [code, afterMs] = lateFlush(1);
  assert.is(code, ResponseCode.FLUSH_SLAVE_TIMEOUT);
  assert.ok(afterMs >= FLUSH_MS && afterMs <= FLUSH_MS + 200, `after ${afterMs} ms`);
});

sends('no slave and no flush in time: SLAVE_NOT_AVAILABLE', () => {
  const [code, afterMs] = lateFlush(0);
  assert.is(code, ResponseCode.SLAVE_NOT_AVAILABLE);
  assert.ok(afterMs >= FLUSH_MS && afterMs <= FLUSH_MS + 200, `after ${afterMs} ms`);
});

sends.run();
