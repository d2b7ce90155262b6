/** Turns, lanes, order, epochs and crashes, on two or three cores driven by hand. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type AnyActorDefinition, actor, type Context } from '../../src/runtime/actor.js';
import { type MessageOf, messageTable, shape } from '../../src/runtime/message.js';
import { RingWriter } from '../../src/runtime/ring.js';
import { Rig } from './cores.js';

const messages = messageTable({
  ask: { id: 1, fields: { n: 'i32' } },
  answer: { id: 2, lane: 'reply', fields: { n: 'i32' } },
  blob: { id: 3, fields: { n: 'i32' }, bytes: true },
  value: { id: 4, fields: { n: 'i32' }, msgpack: shape<{ readonly text: string }>() },
});

type Ask = MessageOf<typeof messages, 'ask'>;

interface Probe {
  readonly context: Context;
  /** What it received, as text. */
  readonly seen: string[];
  batches: number;
}

interface Hooks {
  readonly onAsk?: (probe: Probe, m: Ask) => void;
  readonly onAnswer?: (probe: Probe, m: Ask) => void;
  readonly start?: (context: Context) => void;
  readonly endOfBatch?: (probe: Probe) => void;
  readonly close?: (probe: Probe, done: () => void) => void;
}

/** An actor that writes down what it receives; `probe` gives its state once it has started. */
function recorder(hooks: Hooks = {}): { readonly definition: AnyActorDefinition; readonly probe: Probe } {
  let state: Probe | undefined;
  const definition = actor('recorder', {
    messages,
    start: (context: Context): Probe => {
      hooks.start?.(context);
      state = { context, seen: [], batches: 0 };
      return state;
    },
    on: {
      ask: (probe, m) => {
        probe.seen.push(`ask ${m.n}`);
        hooks.onAsk?.(probe, m);
      },
      answer: (probe, m) => {
        probe.seen.push(`answer ${m.n}`);
        hooks.onAnswer?.(probe, m);
      },
      blob: (probe, m) => {
        probe.seen.push(`blob ${m.n} ${m.buffer.toString('latin1', m.start, m.end)}`);
      },
      value: (probe, m) => {
        probe.seen.push(`value ${m.n} ${m.value.text}`);
      },
    },
    endOfBatch: (probe) => {
      probe.batches++;
      hooks.endOfBatch?.(probe);
    },
    ...(hooks.close === undefined ? {} : { close: hooks.close }),
  });
  return {
    definition,
    get probe(): Probe {
      return state!;
    },
  };
}

const PAIR = { threads: ['blocking', 'blocking'], actors: { a: [0, 0], b: [1, 1] } } as const;

/** Two started recorders on two threads. */
function pair(a: Hooks = {}, b: Hooks = {}) {
  const rig = new Rig(PAIR);
  const left = recorder(a);
  const right = recorder(b);
  rig.start('a', left.definition);
  rig.start('b', right.definition);
  rig.settle();
  return { rig, left, right, b: rig.id('b'), a: rig.id('a') };
}

const delivery = suite('thread core: delivery');

delivery('messages of all kinds arrive in order, with source and key, between threads and within one', () => {
  for (const target of ['near', 'far']) {
    const rig = new Rig({ threads: ['blocking', 'blocking'], actors: { a: [0, 0], near: [0, 0], far: [1, 0] } });
    const sender = recorder();
    const sources: string[] = [];
    const receiver = recorder({ onAsk: (_, m) => sources.push(`${m.source} ${m.key}`) });
    rig.start('a', sender.definition);
    rig.start(target, receiver.definition);
    const { context } = sender.probe;
    const to = rig.id(target);
    context.send(to, messages.ask, { n: 1 }, 77);
    const place = context.begin(to, messages.blob, { n: 2 }, 0, 100);
    context.end(place.buffer.write('body', place.at, 'latin1'));
    context.send(to, messages.value, { n: 3, value: { text: 'ü' } });
    context.send(to, messages.blob, { n: 4 });
    rig.settle();
    assert.equal(receiver.probe.seen, ['ask 1', 'blob 2 body', 'value 3 ü', 'blob 4 '], target);
    assert.equal(sources, [`${rig.id('a')} 77`]);
  }
});

delivery('endOfBatch comes once per turn and only to actors that handled something', () => {
  const { rig, left, right, b } = pair();
  const before = right.probe.batches;
  const idle = left.probe.batches;
  for (let n = 0; n < 50; n++) left.probe.context.send(b, messages.ask, { n });
  rig.cores[0]!.turn();
  rig.cores[1]!.turn();
  assert.is(right.probe.seen.length, 50);
  assert.is(right.probe.batches, before + 1);
  assert.is(left.probe.batches, idle);
  assert.not.ok(rig.cores[1]!.turn());
  assert.is(right.probe.batches, before + 1);
});

delivery('what endOfBatch sends to the same thread is handled in the same turn', () => {
  const rig = new Rig({ threads: ['blocking'], actors: { a: [0, 0], b: [0, 0] } });
  const b = recorder();
  const a = recorder({ endOfBatch: (probe) => probe.context.send(rig.id('b'), messages.ask, { n: probe.batches }) });
  rig.start('b', b.definition);
  rig.start('a', a.definition);
  rig.cores[0]!.turn();
  assert.equal(b.probe.seen, ['ask 1']);
  assert.is(b.probe.batches, 2, 'once for its start, once for the message');
});

delivery('actors that keep each other busy do not keep the thread from publishing', () => {
  const rig = new Rig({ threads: ['blocking', 'blocking'], actors: { a: [0, 0], far: [1, 0] } });
  const far = recorder();
  const a = recorder({
    onAsk: (probe, m) => {
      probe.context.send(rig.id('a'), messages.ask, { n: m.n + 1 });
      if (m.n === 0) probe.context.send(rig.id('far'), messages.ask, { n: 5 });
    },
  });
  rig.start('far', far.definition);
  rig.start('a', a.definition);
  a.probe.context.send(rig.id('a'), messages.ask, { n: 0 });
  assert.ok(rig.cores[0]!.turn());
  rig.cores[1]!.turn();
  assert.equal(far.probe.seen, ['ask 5']);
  assert.ok(rig.cores[0]!.hasWork());
});

delivery('a thread is rung once per turn, after everything was published', () => {
  const { rig, left, b } = pair();
  rig.rung.length = 0;
  left.probe.context.send(b, messages.ask, { n: 1 });
  left.probe.context.send(b, messages.answer, { n: 2 });
  assert.equal(rig.rung, []);
  rig.cores[0]!.turn();
  assert.equal(rig.rung, [1]);
  assert.ok(rig.cores[1]!.hasWork());
});

delivery('a message of an unknown kind crashes the actor, one message at a time may be written', () => {
  const { rig, left, b } = pair();
  const { other } = messageTable({ other: { id: 99 } });
  left.probe.context.send(b, other, {});
  rig.settle();
  assert.match(rig.crashes[0]!.error.message, /unknown message kind 99/);
  left.probe.context.begin(b, messages.blob, { n: 1 }, 0, 10);
  assert.throws(() => left.probe.context.send(b, messages.ask, { n: 1 }), /a message is being written/);
});

delivery.run();

const lanes = suite('thread core: lanes and full rings');

/** Each asks the other as often as there is room, and answers every question. */
function asker(peer: () => number, total: number): Hooks {
  let next = 0;
  const ask = ({ context }: Probe): void => {
    while (next < total && context.trySend(peer(), messages.ask, { n: next })) next++;
  };
  return {
    onAsk: ({ context }, m) => context.send(m.source, messages.answer, { n: m.n }),
    endOfBatch: ask,
  };
}

lanes('two full rings in both directions do not lock each other', () => {
  const total = 5000;
  const { rig, left, right } = pair(
    asker(() => 1, total),
    asker(() => 0, total),
  );
  for (let turns = 0; turns < 5000; turns++) {
    // Uneven on purpose: rings fill up on both sides.
    rig.cores[turns % 3 === 0 ? 1 : 0]!.turn();
    left.probe.context.touch();
    right.probe.context.touch();
  }
  const answers = (probe: Probe): string[] => probe.seen.filter((text) => text.startsWith('answer'));
  const expected = Array.from({ length: total }, (_, n) => `answer ${n}`);
  assert.equal(answers(left.probe), expected);
  assert.equal(answers(right.probe), expected);
  assert.ok(left.probe.seen.filter((text) => text.startsWith('ask')).length === total);
});

lanes('a thread whose answers do not leave takes no more requests, but takes replies', () => {
  const rig = new Rig({
    threads: ['blocking', 'blocking', 'blocking'],
    actors: { a: [0, 0], b: [1, 0], sink: [2, 0] },
  });
  const [a, b, sink] = [
    recorder(),
    recorder({ onAsk: ({ context }, m) => context.send(rig.id('sink'), messages.answer, m) }),
    recorder(),
  ];
  rig.start('a', a.definition);
  rig.start('b', b.definition);
  rig.start('sink', sink.definition);
  const { context } = a.probe;
  let asked = 0;
  const ask = (): void => {
    while (context.trySend(rig.id('b'), messages.ask, { n: asked })) asked++;
  };
  // The sink's thread takes no turn: its reply ring fills, then b stops reading, then a's request ring fills.
  for (let turns = 0; turns < 100; turns++) {
    ask();
    rig.cores[0]!.turn();
    rig.cores[1]!.turn();
  }
  const handled = b.probe.seen.length;
  assert.ok(handled > 50 && handled < asked, `${handled} of ${asked}`);
  assert.not.ok(context.isOpen(rig.id('b'), 'request'));
  assert.not.ok(b.probe.context.isOpen(rig.id('sink'), 'reply'));
  assert.not.ok(rig.cores[1]!.hasWork(), 'parks: what it may not take is no work');

  context.send(rig.id('b'), messages.answer, { n: -1 });
  rig.cores[0]!.turn();
  assert.ok(rig.cores[1]!.hasWork());
  rig.cores[1]!.turn();
  assert.equal(b.probe.seen.slice(handled), ['answer -1']);

  rig.settle();
  assert.equal(
    sink.probe.seen,
    Array.from({ length: asked }, (_, n) => `answer ${n}`),
  );
});

lanes('trySend sends nothing to a full ring, send lets it wait, onceOpen fires when there is room', () => {
  const { rig, left, right, b } = pair();
  const { context } = left.probe;
  let sent = 0;
  while (context.isOpen(b, 'request')) context.send(b, messages.ask, { n: sent++ });
  assert.not.ok(context.trySend(b, messages.ask, { n: -1 }));
  assert.ok(context.trySend(b, messages.answer, { n: -2 }), 'the other lane has room');
  let opened = 0;
  context.onceOpen(b, 'request', () => opened++);
  rig.cores[0]!.turn();
  assert.is(opened, 0);
  rig.settle();
  assert.is(opened, 1);
  assert.ok(context.isOpen(b, 'request'));
  assert.equal(right.probe.seen, ['answer -2', ...Array.from({ length: sent }, (_, n) => `ask ${n}`)]);
});

lanes('room that the reader made just before the writer parks is found by the last look', () => {
  const { rig, left, right, b } = pair();
  let sent = 0;
  while (left.probe.context.isOpen(b, 'request')) left.probe.context.send(b, messages.ask, { n: sent++ });
  rig.cores[0]!.turn();
  assert.not.ok(rig.cores[0]!.hasWork(), 'no room yet');
  rig.cores[1]!.turn();
  assert.ok(rig.cores[0]!.hasWork());
  rig.settle();
  assert.is(right.probe.seen.length, sent);
});

lanes('a callback that waits for room dies with its actor, also when the actor is started again', () => {
  const { rig, left, a, b } = pair();
  const { context } = left.probe;
  while (context.isOpen(b, 'request')) context.send(b, messages.ask, { n: 0 });
  context.onceOpen(b, 'request', () => assert.unreachable('belongs to the incarnation before'));
  rig.cores[0]!.kill(0);
  rig.start('a', recorder().definition);
  rig.settle();
  assert.ok(rig.cores[0]!.isRunning(a));
  assert.equal(rig.crashes, []);
});

lanes.run();

const order = suite('thread core: the order contract');

order('what the sockets thread says is handled after what workers had published before it', () => {
  const rig = new Rig({
    threads: ['sockets', 'blocking', 'blocking'],
    actors: { front: [0, 0], broker: [1, 0], queue: [2, 0] },
  });
  const front = recorder({
    // A client that was told of n pulls it.
    onAnswer: ({ context }, m) => context.send(rig.id('queue'), messages.ask, { n: m.n }),
  });
  const broker = recorder({
    onAsk: ({ context }, m) => {
      // Both rings in one turn; the order of publishing makes the entry visible first.
      context.send(rig.id('front'), messages.answer, { n: m.n });
      context.send(rig.id('queue'), messages.blob, { n: m.n });
    },
  });
  const queue = recorder();
  rig.start('front', front.definition);
  rig.start('broker', broker.definition);
  rig.start('queue', queue.definition);
  for (let n = 0; n < 2000; n++) {
    front.probe.context.send(rig.id('broker'), messages.ask, { n });
    // The queue thread looks at different moments.
    rig.cores[0]!.turn();
    if (n % 3 === 0) rig.cores[2]!.turn();
    rig.cores[1]!.turn();
    if (n % 7 === 0) rig.cores[2]!.turn();
  }
  rig.settle();
  let known = -1;
  let pulls = 0;
  for (const text of queue.probe.seen) {
    const [what, n] = text.split(' ');
    if (what === 'blob') known = Number(n);
    else {
      pulls++;
      assert.ok(Number(n) <= known, `pulled ${n} when only ${known} was known`);
    }
  }
  assert.is(pulls, 2000);
});

order('it holds when the other threads run between any two publishes of a turn', () => {
  const rig = new Rig({
    threads: ['sockets', 'blocking', 'blocking'],
    actors: { front: [0, 0], broker: [1, 0], queue: [2, 0] },
  });
  const front = recorder({ onAnswer: ({ context }, m) => context.send(rig.id('queue'), messages.ask, { n: m.n }) });
  const broker = recorder({
    onAsk: ({ context }, m) => {
      context.send(rig.id('front'), messages.answer, { n: m.n });
      context.send(rig.id('queue'), messages.blob, { n: m.n });
    },
  });
  const queue = recorder();
  rig.start('front', front.definition);
  rig.start('broker', broker.definition);
  rig.start('queue', queue.definition);
  rig.settle();
  front.probe.context.send(rig.id('broker'), messages.ask, { n: 1 });
  rig.cores[0]!.turn();
  const { publish } = RingWriter.prototype;
  let isNested = false;
  RingWriter.prototype.publish = function (this: RingWriter): boolean {
    const hasPublished = publish.call(this);
    if (isNested) return hasPublished;
    isNested = true;
    rig.cores[0]!.turn();
    rig.cores[2]!.turn();
    isNested = false;
    return hasPublished;
  };
  try {
    rig.cores[1]!.turn();
  } finally {
    RingWriter.prototype.publish = publish;
  }
  rig.settle();
  assert.equal(queue.probe.seen, ['blob 1 ', 'ask 1']);
});

order('records of the sockets thread that came after the look at its head wait for the next turn', () => {
  const rig = new Rig({
    threads: ['sockets', 'blocking', 'blocking'],
    actors: { front: [0, 0], broker: [1, 0], queue: [2, 0] },
  });
  const [front, broker] = [recorder(), recorder()];
  let late = true;
  const queue = recorder({
    onAsk: () => {
      if (!late) return;
      late = false;
      // While the queue thread drains its broker ring: the broker publishes more, its client hears of it and asks.
      broker.probe.context.send(rig.id('queue'), messages.ask, { n: 2 });
      rig.cores[1]!.turn();
      front.probe.context.send(rig.id('queue'), messages.ask, { n: 3 });
      rig.cores[0]!.turn();
    },
  });
  rig.start('front', front.definition);
  rig.start('broker', broker.definition);
  rig.start('queue', queue.definition);
  rig.settle();
  broker.probe.context.send(rig.id('queue'), messages.ask, { n: 1 });
  rig.cores[1]!.turn();
  rig.cores[2]!.turn();
  assert.equal(queue.probe.seen, ['ask 1']);
  rig.cores[2]!.turn();
  assert.equal(queue.probe.seen, ['ask 1', 'ask 2', 'ask 3']);
});

order('a thread knows since when its turns leave requests of the sockets thread behind, and how many wait', () => {
  const rig = new Rig({
    threads: ['sockets', 'blocking'],
    actors: { a: [0, 0], b: [1, 1] },
    ringBytes: 256 * 1024,
  });
  const left = recorder();
  const waiting: number[] = [];
  const behind: (number | undefined)[] = [];
  const right = recorder({
    onAsk: ({ context }, { n }) => {
      if (n % 1_024 !== 0) return;
      waiting.push(context.waiting(messages.ask));
      behind.push(context.behindSinceMs);
    },
  });
  rig.start('a', left.definition);
  rig.start('b', right.definition);
  const [sockets, worker] = [rig.coreOf('a'), rig.coreOf('b')];
  for (let n = 0; n < 2_500; n++) left.probe.context.send(rig.id('b'), messages.ask, { n });
  sockets.turn();
  const firstMs = rig.clock.now();
  for (let turn = 0; turn < 3; turn++) {
    worker.turn();
    rig.clock.ms += 10;
  }
  assert.is(right.probe.seen.length, 2_500);
  assert.equal(waiting, [2_499, 1_475, 451]);
  assert.equal(behind, [undefined, firstMs, firstMs]);
  assert.is(worker.behindSinceMs, undefined, 'the last turn took all there were');
});

order.run();

const time = suite('thread core: timers and completions');

time('a timer fires in the first turn at or after its time, on the clock read once per turn', () => {
  const { rig, left } = pair();
  const { context } = left.probe;
  const fired: number[] = [];
  context.after(10, () => fired.push(context.clock.monotonic()));
  const cancelled = context.after(5, () => fired.push(-1));
  cancelled.cancel();
  assert.is(rig.cores[0]!.msToNextTimer(), 10);
  rig.advance(9);
  rig.settle();
  assert.equal(fired, []);
  assert.is(rig.cores[0]!.msToNextTimer(), 1);
  rig.advance(3);
  const { batches } = left.probe;
  rig.cores[0]!.turn();
  assert.equal(fired, [1012]);
  assert.is(left.probe.batches, batches + 1, 'a timer counts as having handled something');
  assert.is(rig.cores[0]!.msToNextTimer(), Number.POSITIVE_INFINITY);
});

time('a timer set with no delay fires in a later turn, once per turn', () => {
  const { rig, left } = pair();
  let fired = 0;
  const again = (): void => {
    fired++;
    left.probe.context.after(0, again);
  };
  left.probe.context.after(0, again);
  rig.cores[0]!.turn();
  rig.cores[0]!.turn();
  assert.is(fired, 2);
});

time('a disk completion runs in a turn of its actor and asks for that turn', () => {
  const { rig, left } = pair();
  const file = left.probe.context.disk.open('/file', { create: true });
  let done = 0;
  file.syncLater((error) => {
    assert.is(error, undefined);
    done++;
  });
  rig.rung.length = 0;
  rig.advance(5);
  assert.is(done, 0, 'not outside of a turn');
  assert.equal(rig.rung, [0]);
  assert.ok(rig.cores[0]!.hasWork());
  rig.cores[0]!.turn();
  assert.is(done, 1);
});

time('start, ready and facts reach whoever drives the thread', () => {
  const rig = new Rig({ threads: ['blocking'], actors: { a: [0, 0] } });
  const { definition } = recorder({
    start: (context) => {
      context.ready();
      context.report('port', 9876);
      context.log.warn('low');
    },
  });
  rig.start('a', definition);
  assert.equal(rig.ready, [0]);
  assert.equal(rig.facts, [[0, 'port', 9876]]);
  assert.equal(rig.logs, ['warn a low']);
});

time.run();

const crashes = suite('thread core: crashes, epochs and ends');

const THREE = {
  threads: ['blocking', 'blocking'],
  actors: { broker: [0, 0], queue: [0, 0], other: [0, 1], far: [1, 1] },
} as const;

crashes('an actor that throws takes its unit on this thread with it, and nobody else', () => {
  const rig = new Rig(THREE);
  const broker = recorder({
    onAsk: () => {
      throw new Error('bug');
    },
  });
  const [queue, other, far] = [recorder(), recorder(), recorder()];
  rig.start('broker', broker.definition);
  rig.start('queue', queue.definition);
  rig.start('other', other.definition);
  rig.start('far', far.definition);
  rig.settle();
  for (const name of ['broker', 'queue', 'other']) {
    far.probe.context.send(rig.id(name), messages.ask, { n: 1 });
    far.probe.context.send(rig.id(name), messages.ask, { n: 2 });
  }
  rig.settle();
  assert.equal(
    rig.crashes.map(({ actor: id, during, error }) => `${id} ${during} ${error.message}`),
    ['0 ask bug'],
  );
  assert.not.ok(rig.cores[0]!.isRunning(rig.id('broker')));
  assert.not.ok(rig.cores[0]!.isRunning(rig.id('queue')));
  assert.equal(broker.probe.seen, ['ask 1']);
  assert.equal(queue.probe.seen, []);
  assert.equal(other.probe.seen, ['ask 1', 'ask 2']);
  assert.is(rig.cores[0]!.droppedMessages, 3);
});

crashes('hooks, timers, completions and fail() crash like handlers; a half-written message is forgotten', () => {
  const boom = (): never => {
    throw new Error('boom');
  };
  const ways: readonly [string, Hooks, (context: Context) => void][] = [
    ['endOfBatch', { endOfBatch: boom }, () => undefined],
    ['timer', {}, (context) => context.after(0, boom)],
    ['completion', {}, (context) => context.disk.open('/x', { create: true }).syncLater(boom)],
    ['a callback', {}, (context) => context.after(0, () => context.fail(new Error('boom')))],
    [
      'timer',
      {},
      (context) => {
        context.after(0, () => {
          context.begin(1, messages.blob, { n: 1 }, 0, 50);
          boom();
        });
      },
    ],
  ];
  for (const [during, hooks, provoke] of ways) {
    const rig = new Rig(PAIR);
    const [a, b] = [recorder(hooks), recorder()];
    rig.start('b', b.definition);
    rig.start('a', a.definition);
    provoke(a.probe.context);
    rig.settle();
    rig.advance(10);
    rig.settle();
    assert.equal(
      rig.crashes.map((crash) => `${crash.during}: ${crash.error.message}`),
      [`${during}: boom`],
    );
    assert.equal(b.probe.seen, []);
    // The thread itself is well: the actor can be started again and send.
    const again = recorder();
    rig.start('a', again.definition);
    again.probe.context.send(rig.id('b'), messages.ask, { n: 9 });
    rig.settle();
    assert.equal(b.probe.seen, ['ask 9']);
  }
});

crashes('a start that throws leaves nothing behind, not even a half-written message', () => {
  const rig = new Rig(PAIR);
  const failing = recorder({
    start: (context) => {
      context.disk.open('/left-open', { create: true });
      context.after(1, () => assert.unreachable('its actor never started'));
      context.begin(1, messages.blob, { n: 1 }, 0, 10);
      throw new Error('no store');
    },
  });
  const [a, b] = [recorder(), recorder()];
  rig.start('b', b.definition);
  assert.throws(() => rig.start('a', failing.definition), /no store/);
  assert.not.ok(rig.cores[0]!.isRunning(0));
  assert.is(rig.disk.openFiles(), 0);
  rig.start('a', a.definition);
  a.probe.context.send(1, messages.ask, { n: 1 });
  rig.advance(5);
  rig.settle();
  assert.equal(b.probe.seen, ['ask 1']);
  assert.equal(rig.crashes, []);
});

crashes('messages of an older epoch are dropped, whether they wait in a ring, in a spill or in the mailbox', () => {
  const { rig, left, right, b } = pair();
  const { context } = left.probe;
  while (context.isOpen(b, 'request')) context.send(b, messages.ask, { n: 1 });
  context.send(b, messages.blob, { n: 1 });
  rig.cores[0]!.turn();
  for (const core of rig.cores) {
    core.kill(1);
    core.setEpoch(1, 1);
  }
  const restarted = recorder();
  rig.start('b', restarted.definition);
  context.send(b, messages.ask, { n: 2 });
  rig.settle();
  assert.equal(right.probe.seen, []);
  assert.equal(restarted.probe.seen, ['ask 2']);
  assert.ok(rig.cores[1]!.droppedMessages > 50);
});

crashes('an orderly close finishes what was promised, then the actor is gone', () => {
  let finish: (() => void) | undefined;
  const { rig, left } = pair({
    close: (_, done) => {
      finish = done;
    },
  });
  let closed = 0;
  rig.cores[0]!.close(0, () => closed++);
  rig.settle();
  assert.is(closed, 0);
  assert.ok(rig.cores[0]!.isRunning(0), 'still handles what comes');
  finish!();
  assert.is(closed, 1);
  assert.not.ok(rig.cores[0]!.isRunning(0));
  finish!();
  assert.is(closed, 1);
  rig.cores[0]!.close(0, () => closed++);
  assert.is(closed, 2, 'of an actor that is not running: at once');
  assert.is(left.probe.seen.length, 0);
});

crashes('a close that throws, or whose actor is killed meanwhile, is reported as done', () => {
  const throwing = pair({
    close: () => {
      throw new Error('cannot flush');
    },
  });
  let closed = 0;
  throwing.rig.cores[0]!.close(0, () => closed++);
  assert.is(closed, 1);
  assert.is(throwing.rig.crashes[0]!.during, 'close');
  const endless = pair({ close: () => undefined });
  endless.rig.cores[0]!.close(0, () => closed++);
  assert.is(closed, 1);
  endless.rig.cores[0]!.kill(0);
  assert.is(closed, 2);
});

crashes.run();
