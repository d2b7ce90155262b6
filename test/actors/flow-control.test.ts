import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FlowControl, type FlowLimits } from '../../src/actors/flow-control.js';
import { RequestCode } from '../../src/remoting/request-codes.js';
import { Meter, SLAB_BYTES } from '../../src/runtime/slab.js';

const DEFAULTS: FlowLimits = {
  brokerFastFailureEnable: true,
  waitTimeMillsInSendQueue: 200,
  waitTimeMillsInPullQueue: 5_000,
  waitTimeMillsInHeartbeatQueue: 31_000,
  waitTimeMillsInTransactionQueue: 3_000,
  osPageCacheBusyTimeOutMills: 1_000,
};

/** An actor whose turns the test makes; 7 more requests always wait. */
function turns() {
  const world = { nowMs: 1.7e12, elapsedInTurnMs: 0, behindSinceMs: undefined as number | undefined };
  const context = {
    clock: { now: () => world.nowMs, monotonic: () => world.nowMs - 1.7e12, localHour: () => 0 },
    stopwatch: () => world.nowMs - 1.7e12 + world.elapsedInTurnMs,
    get behindSinceMs() {
      return world.behindSinceMs;
    },
    waiting: () => 7,
  };
  const flow = new FlowControl(context, new Meter(new SharedArrayBuffer(SLAB_BYTES)), 'broker-a', { id: 1 });
  /** Ends a turn; the next one begins `ms` later. */
  const turn = (ms: number): void => {
    flow.endOfBatch();
    world.nowMs += ms;
  };
  const refusal = (code: number, receivedMs: number, limits = DEFAULTS) => flow.refusal(limits, code, receivedMs);
  return { world, flow, turn, refusal };
}

const { SEND_MESSAGE_V2: SEND, PULL_MESSAGE, HEART_BEAT, END_TRANSACTION, CONSUMER_SEND_MSG_BACK } = RequestCode;

const age = suite('flow control: requests that waited');

age('a request is refused when turns left it behind for longer than its queue allows, in the words of Apache', () => {
  const limits = [
    [SEND, 200],
    [RequestCode.SEND_MESSAGE, 200],
    [RequestCode.SEND_BATCH_MESSAGE, 200],
    [CONSUMER_SEND_MSG_BACK, 200],
    [PULL_MESSAGE, 5_000],
    [HEART_BEAT, 31_000],
    [END_TRANSACTION, 3_000],
  ] as const;
  for (const [code, limitMs] of limits) {
    const { world, turn, refusal } = turns();
    const receivedMs = world.nowMs;
    world.behindSinceMs = receivedMs;
    turn(limitMs - 1);
    turn(0);
    assert.is(refusal(code, receivedMs), undefined, `${code} has one ms left`);
    turn(1);
    assert.equal(refusal(code, receivedMs), {
      reason: 'queue_age',
      remark: `[TIMEOUT_CLEAN_QUEUE]broker busy, start flow control for a while, period in queue: ${limitMs}ms, size of queue: 7`,
    });
    assert.is(refusal(code, receivedMs, { ...DEFAULTS, brokerFastFailureEnable: false }), undefined);
  }
});

age('requests of other codes may wait as long as they like', () => {
  const { world, turn, refusal } = turns();
  const receivedMs = world.nowMs;
  world.behindSinceMs = receivedMs;
  turn(100_000);
  turn(0);
  assert.is(refusal(RequestCode.GET_BROKER_RUNTIME_INFO, receivedMs), undefined);
});

age('the hot path looks only at what came before the previous turn', () => {
  const { world, flow, turn } = turns();
  const beganMs = world.nowMs;
  turn(10);
  assert.is(flow.suspectBefore, beganMs);
  turn(10);
  assert.is(flow.suspectBefore, beganMs + 10);
});

const standstill = suite('flow control: a process that stood still');

standstill('serves what waits', () => {
  const { world, turn, refusal } = turns();
  const receivedMs = world.nowMs - 5;
  turn(60_000);
  assert.is(refusal(SEND, receivedMs), undefined, 'in the first turn');
  // More waits than a turn takes.
  world.behindSinceMs = world.nowMs;
  turn(5);
  assert.is(refusal(SEND, receivedMs), undefined, 'in the second turn');
  turn(190);
  assert.is(refusal(SEND, receivedMs), undefined, 'while it has been behind for less than the limit');
  turn(10);
  assert.is(refusal(SEND, receivedMs)?.reason, 'queue_age', 'it does not catch up');
});

standstill('of its front thread alone refuses nothing: the turns of the broker leave nothing behind', () => {
  const { world, turn, refusal } = turns();
  const receivedMs = world.nowMs;
  for (let n = 0; n < 20; n++) turn(50);
  assert.is(refusal(SEND, receivedMs), undefined);
});

const disk = suite('flow control: a slow disk');

disk('sends that were there before a slow write ended are refused, and no others', () => {
  const { world, flow, turn, refusal } = turns();
  const duringWriteMs = world.nowMs + 600;
  flow.beginWrite();
  world.elapsedInTurnMs = 1_001;
  flow.endWrite(DEFAULTS);
  turn(1_010);
  world.elapsedInTurnMs = 0;
  assert.ok(flow.suspectBefore > duringWriteMs);
  assert.equal(refusal(SEND, duringWriteMs), {
    reason: 'disk_busy',
    remark: '[PCBUSY_CLEAN_QUEUE]broker busy, start flow control for a while, period in queue: 410ms, size of queue: 7',
  });
  assert.is(refusal(PULL_MESSAGE, duringWriteMs), undefined);
  assert.is(refusal(HEART_BEAT, duringWriteMs), undefined);
  assert.is(refusal(SEND, world.nowMs), undefined, 'it came after the write');
  assert.is(refusal(SEND, duringWriteMs, { ...DEFAULTS, brokerFastFailureEnable: false }), undefined);
});

disk('a write within osPageCacheBusyTimeOutMills is none', () => {
  const { world, flow, turn, refusal } = turns();
  const receivedMs = world.nowMs + 1;
  flow.beginWrite();
  world.elapsedInTurnMs = 1_000;
  flow.endWrite(DEFAULTS);
  turn(1_000);
  assert.is(refusal(SEND, receivedMs), undefined);
});

const told = suite('flow control: what tools are told');

told('the longest wait of the last two turns', () => {
  const { world, flow, turn, refusal } = turns();
  const receivedMs = world.nowMs - 80;
  refusal(SEND, receivedMs);
  refusal(SEND, receivedMs + 50);
  assert.is(flow.headWaitMs, 80);
  turn(5);
  assert.is(flow.headWaitMs, 80);
  turn(5);
  assert.is(flow.headWaitMs, 0);
});

age.run();
standstill.run();
disk.run();
told.run();
