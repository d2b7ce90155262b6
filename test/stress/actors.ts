/** Actors that put the runtime's real threads under load and crash at the first message out of order or torn. */
import { invariant } from '../../src/base/invariant.js';
import { actor, type Context } from '../../src/runtime/actor.js';
import { type MessageOf, messageTable } from '../../src/runtime/message.js';
import type { Registry } from '../../src/runtime/thread.js';

/** A number that only depends on n: both sides know what a message must look like. */
function mix(n: number): number {
  const mixed = Math.imul(n ^ (n >>> 16), 0x45d9f3b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

export const duelMessages = messageTable({
  ask: { id: 1, fields: { n: 'i32' }, bytes: true },
  answer: { id: 2, lane: 'reply', fields: { n: 'i32' }, bytes: true },
  begin: { id: 3 },
});

export interface DuelOptions {
  readonly peer: number;
  readonly total: number;
  /** Longest body; longer than an eighth of the ring means parts. */
  readonly maxBytes: number;
  /** Requests without an answer; Infinity: as many as the ring takes. */
  readonly inFlight: number;
}

interface Duel {
  readonly context: Context;
  readonly options: DuelOptions;
  asked: number;
  answered: number;
  handled: number;
  isWaiting: boolean;
}

type Body = MessageOf<typeof duelMessages, 'ask'>;

function sendBody(duel: Duel, kind: typeof duelMessages.ask, n: number): void {
  const bytes = mix(n) % (duel.options.maxBytes + 1);
  const place = duel.context.begin(duel.options.peer, kind, { n }, 0, bytes);
  place.buffer.fill(n & 0xff, place.at, place.at + bytes);
  duel.context.end(bytes);
}

function checkBody(duel: Duel, m: Body, expected: number): void {
  invariant(m.n === expected, 'order', m.n, expected);
  invariant(m.end - m.start === mix(m.n) % (duel.options.maxBytes + 1), 'length', m.n);
  for (let at = m.start; at < m.end; at++) invariant(m.buffer[at] === (m.n & 0xff), 'torn', m.n, at);
}

function askMore(duel: Duel): void {
  const { context, options } = duel;
  while (!duel.isWaiting && duel.asked < options.total && duel.asked - duel.answered < options.inFlight) {
    if (!context.isOpen(options.peer, 'request')) {
      duel.isWaiting = true;
      context.onceOpen(options.peer, 'request', () => {
        duel.isWaiting = false;
        askMore(duel);
      });
      return;
    }
    sendBody(duel, duelMessages.ask, duel.asked++);
  }
}

/** From `begin` on asks its peer `total` times, and answers as many questions; reports `done` when both are finished. */
const duel = actor('duel', {
  messages: duelMessages,
  start: (context: Context, options: DuelOptions): Duel => ({
    context,
    options,
    asked: 0,
    answered: 0,
    handled: 0,
    isWaiting: false,
  }),
  on: {
    begin: askMore,
    ask: (state, m) => {
      checkBody(state, m, state.handled++);
      sendBody(state, duelMessages.answer, m.n);
      tellWhenDone(state);
    },
    answer: (state, m) => {
      checkBody(state, m, state.answered++);
      askMore(state);
      tellWhenDone(state);
    },
  },
});

function tellWhenDone({ context, options, answered, handled }: Duel): void {
  if (answered === options.total && handled === options.total) context.report('done', answered);
}

export const contractMessages = messageTable({
  /** front to broker: append; broker to queue: entry n exists; front to queue: pull n. */
  append: { id: 1, fields: { n: 'i32' } },
  entry: { id: 2, fields: { n: 'i32' } },
  pull: { id: 3, fields: { n: 'i32' } },
  appended: { id: 4, lane: 'reply', fields: { n: 'i32' } },
  pulled: { id: 5, lane: 'reply', fields: { n: 'i32' } },
  begin: { id: 6 },
});

export interface ContractOptions {
  readonly broker: number;
  readonly queue: number;
  readonly front: number;
  readonly total: number;
  readonly inFlight: number;
}

interface Front {
  readonly context: Context;
  readonly options: ContractOptions;
  sent: number;
  pulled: number;
}

function sendMore(front: Front): void {
  const { context, options } = front;
  while (front.sent < options.total && front.sent - front.pulled < options.inFlight) {
    context.send(options.broker, contractMessages.append, { n: front.sent++ });
  }
}

const nothing = (): void => undefined;

const contractFront = actor('contract-front', {
  messages: contractMessages,
  start: (context: Context, options: ContractOptions): Front => ({ context, options, sent: 0, pulled: 0 }),
  on: {
    begin: sendMore,
    append: nothing,
    entry: nothing,
    pull: nothing,
    appended: ({ context, options }, { n }) => context.send(options.queue, contractMessages.pull, { n }),
    pulled: (state) => {
      state.pulled++;
      if (state.pulled === state.options.total) state.context.report('done', state.pulled);
      sendMore(state);
    },
  },
});

const contractBroker = actor('contract-broker', {
  messages: contractMessages,
  start: (context: Context, options: ContractOptions) => ({ context, options }),
  on: {
    append: ({ context, options }, { n }) => {
      // The answer first, on purpose: only the order of publishing decides.
      context.send(options.front, contractMessages.appended, { n });
      context.send(options.queue, contractMessages.entry, { n });
    },
    entry: nothing,
    pull: nothing,
    appended: nothing,
    pulled: nothing,
    begin: nothing,
  },
});

interface Queue {
  readonly context: Context;
  readonly options: ContractOptions;
  known: number;
}

const contractQueue = actor('contract-queue', {
  messages: contractMessages,
  start: (context: Context, options: ContractOptions): Queue => ({ context, options, known: -1 }),
  on: {
    append: nothing,
    entry: (state, { n }) => {
      invariant(n === state.known + 1, 'entries in order', n, state.known);
      state.known = n;
    },
    pull: (state, { n }) => {
      invariant(n <= state.known, 'pulled before its entry was known', n, state.known);
      state.context.send(state.options.front, contractMessages.pulled, { n });
    },
    appended: nothing,
    pulled: nothing,
    begin: nothing,
  },
});

export const registry: Registry = {
  duel: async () => duel,
  'contract-front': async () => contractFront,
  'contract-broker': async () => contractBroker,
  'contract-queue': async () => contractQueue,
};
