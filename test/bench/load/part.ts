/** One thread's share of a run; the functions that piscina calls on it. */
import { performance } from 'node:perf_hooks';
import { nowMs } from './clock.js';
import { Connection } from './connection.js';
import { Control } from './control.js';
import { Failures, Latencies, type PartFigures } from './figures.js';
import type { LoadOptions } from './options.js';
import { GroupReader } from './group-reader.js';
import { CatchUpReader, HeldReader, ReceiveFigures } from './readers.js';
import { DRAIN_MS, type Schedule, scheduleFrom } from './schedule.js';
import { Sender, SendFigures } from './sender.js';

export interface Part {
  readonly options: LoadOptions;
  readonly shared: SharedArrayBuffer;
  /** Thread `index` of options.threads takes every options.threads-th connection. */
  readonly index: number;
}

/** Shorter sleeps cost more wake-ups than they are worth; what is due in between leaves together. */
const SHORTEST_SLEEP_MS = 0.1;

export async function send({ options, shared, index }: Part): Promise<PartFigures> {
  const control = new Control(shared);
  const figures = new SendFigures();
  const senders: Sender[] = [];
  for (const k of share(options.conns, options.threads, index)) {
    senders.push(await openSender(options, k, options.conns, figures));
  }
  const schedule = scheduleFrom(await control.ready(), options);
  const busy = busyFrom();
  await sendAll(senders, schedule, control);
  return { ...outcome(senders, figures), busy: busy() };
}

export async function e2e({ options, shared, index }: Part): Promise<PartFigures> {
  const control = new Control(shared);
  const figures = new SendFigures();
  const received = new ReceiveFigures();
  const senders: Sender[] = [];
  const readers: HeldReader[] = [];
  const queues = options.queues * options.brokers.length;
  for (const k of share(queues, options.threads, index)) {
    const reader = new HeldReader(await open(options, k), options, queueOf(options, k), received);
    await reader.start();
    readers.push(reader);
    senders.push(await openSender(options, k, queues, figures));
  }
  const schedule = scheduleFrom(await control.ready(), options);
  const busy = busyFrom();
  received.schedule = schedule;
  await sendAll(senders, schedule, control);
  await within(DRAIN_MS, received.all(figures.sent));
  for (const reader of readers) reader.connection.close();
  const sent = outcome(senders, figures);
  return {
    ...sent,
    failures: [...sent.failures, ...received.failures.list()],
    latencies: received.latencies.encode(),
    received: received.received,
    busy: busy(),
  };
}

/** Every group follows the whole topic, each with one member that has a connection to every broker. */
export async function live({ options, shared, index }: Part): Promise<PartFigures> {
  const control = new Control(shared);
  const figures = new SendFigures();
  const received = new ReceiveFigures();
  const readers: GroupReader[] = [];
  const brokers = options.brokers.length;
  for (const k of share(options.groups * brokers, options.threads, index)) {
    const group = `${options.topic}-g${Math.floor(k / brokers)}`;
    const reader = new GroupReader(await open(options, k), options, group, k % brokers, received);
    await reader.start();
    readers.push(reader);
  }
  const senders: Sender[] = [];
  const queues = options.queues * brokers;
  for (const k of share(queues, options.threads, index)) {
    senders.push(await openSender(options, k, queues, figures));
  }
  const schedule = scheduleFrom(await control.ready(), options);
  const busy = busyFrom();
  received.schedule = schedule;
  await sendAll(senders, schedule, control);
  const sent = await control.sent(figures.sent, options.threads);
  // Message n goes to broker n modulo their number.
  const wanted = readers.reduce((sum, { brokerIndex }) => sum + Math.ceil((sent - brokerIndex) / brokers), 0);
  await within(DRAIN_MS, received.all(wanted));
  for (const reader of readers) reader.connection.close();
  const { failures, ...rest } = outcome(senders, figures);
  return {
    ...rest,
    failures: [...failures, ...received.failures.list()],
    latencies: received.latencies.encode(),
    measured: received.measured,
    received: received.received,
    busy: busy(),
  };
}

/** Reads queues from their beginning until none is left. */
export async function pull({ options, shared, index }: Part): Promise<PartFigures> {
  const control = new Control(shared);
  const failures = new Failures();
  await control.ready();
  const busy = busyFrom();
  let received = 0;
  const readers = share(options.conns, options.threads, index).map(async () => {
    for (;;) {
      const k = control.takeQueue();
      if (k >= options.queues * options.brokers.length) return;
      const reader = new CatchUpReader(await open(options, k), options, queueOf(options, k), failures);
      await reader.run(options.topic);
      received += reader.messages;
    }
  });
  await Promise.all(readers);
  const none = { measured: 0, sent: 0, unsent: 0 };
  return { ...none, latencies: new Latencies().encode(), failures: failures.list(), received, busy: busy() };
}

/**
 * Tells the senders when messages are due. A thread with sockets cannot do that itself: its timers are a millisecond
 * coarse, and this one sleeps to within the kernel's timer slack.
 */
export async function pace({ options, shared }: Part): Promise<void> {
  const control = new Control(shared);
  const { beginMs, endMs, gapMs } = scheduleFrom(await control.ready(), options);
  for (let now = nowMs(); now < endMs; now = nowMs()) {
    control.tick();
    const nextDueMs = beginMs + Math.ceil((now - beginMs) / gapMs) * gapMs;
    control.sleep(Math.max(SHORTEST_SLEEP_MS, Math.min(nextDueMs, endMs) - now));
  }
  control.tick();
}

/** Which of `count` things thread `index` of `threads` has. */
function share(count: number, threads: number, index: number): number[] {
  return Array.from({ length: count }, (_, k) => k).filter((k) => k % threads === index);
}

/** Connections go round the brokers, and then round the queues of each. */
function queueOf(options: LoadOptions, k: number): number {
  return Math.floor(k / options.brokers.length) % options.queues;
}

function open(options: LoadOptions, k: number): Promise<Connection> {
  return Connection.open(options.brokers[k % options.brokers.length]!);
}

async function openSender(options: LoadOptions, k: number, count: number, figures: SendFigures): Promise<Sender> {
  return new Sender(await open(options, k), options, queueOf(options, k), k, count, figures);
}

/** Returns when everything was answered, or at the limit after the end. */
async function sendAll(senders: readonly Sender[], schedule: Schedule, control: Control): Promise<void> {
  for (const sender of senders) sender.start(schedule);
  while (schedule.gapMs > 0) {
    const seen = control.ticks;
    const now = nowMs();
    for (const sender of senders) sender.fill();
    // The last round is one that began after the end: it saw everything that was due.
    if (now >= schedule.endMs) break;
    await control.nextTick(seen);
  }
  const finished = Promise.all(senders.map((sender) => sender.finished));
  await within(schedule.endMs - nowMs() + DRAIN_MS, finished);
}

function outcome(senders: readonly Sender[], figures: SendFigures): Omit<PartFigures, 'busy'> {
  const unsent = senders.reduce((sum, sender) => sum + sender.unsent, 0);
  for (const sender of senders) sender.close();
  const { measured, sent } = figures;
  return {
    latencies: figures.latencies.encode(),
    failures: figures.failures.list(),
    measured,
    sent,
    received: 0,
    unsent,
  };
}

/** Resolves with the promise or when the time is up, whichever is first. */
async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, limit]);
  clearTimeout(timer);
}

/** The share of the time from now on in which this thread's loop had something to do. */
function busyFrom(): () => number {
  const before = performance.eventLoopUtilization();
  return () => performance.eventLoopUtilization(before).utilization;
}
