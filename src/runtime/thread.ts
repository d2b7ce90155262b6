/**
 * Entry of a worker thread: builds its ThreadCore and drives it. A blocking thread parks in Atomics.wait (fastest to
 * wake); the sockets thread parks in Atomics.waitAsync, because its event loop has to run.
 */
import { setImmediate as eventLoopTurn, setTimeout as sleep } from 'node:timers/promises';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import * as Comlink from 'comlink';
import { systemClock } from '../base/clock.js';
import { invariant } from '../base/invariant.js';
import { prng } from '../base/prng.js';
import type { ActorId, AnyActorDefinition } from './actor.js';
import { Doorbells } from './doorbell.js';
import { nodeEndpoint } from './endpoint.js';
import { diskActor, type IoActors, ioActor } from './io.js';
import type { Kind } from './message.js';
import { NodeDisk, type ReadThread, type SyncThread } from './node-disk.js';
import { NodeNetwork } from './node-network.js';
import { mountRamDisks, type RamMount } from './ram-disk/mounts.js';
import { Meter } from './slab.js';
import type { ThreadPort } from './supervisor.js';
import { ThreadCore } from './thread-core.js';
import type { Wiring } from './wiring.js';

/** Name -> loader: a thread loads only the code of the actors that it hosts. */
export type Registry = Readonly<Record<string, () => Promise<AnyActorDefinition>>>;

export interface ThreadData {
  readonly thread: number;
  readonly wiring: Wiring;
  /** Module that exports `registry`. */
  readonly registryUrl: string;
  /** Definitions to load before the thread says that it is up. */
  readonly definitions: readonly string[];
  readonly io: IoActors | undefined;
  /** This thread's actor that asks them. */
  readonly disk: ActorId | undefined;
  /** Disks in memory, by the directories that they are for. */
  readonly ramDisks: readonly RamMount[];
  readonly seed: number;
  /** One-way events to the main thread. */
  readonly events: MessagePort;
}

/** An error as it travels: structured clone would drop what kind of error it is. */
export interface ErrorFacts {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
}

/** What a thread posts on its events port. */
export type ThreadEvent =
  | { readonly kind: 'up' }
  | {
      readonly kind: 'crashed';
      readonly actor: ActorId;
      readonly during: string;
      readonly error: ErrorFacts;
      /** Of its unit, when it happened. */
      readonly epoch: number;
    }
  | { readonly kind: 'ready'; readonly actor: ActorId; readonly epoch: number }
  | { readonly kind: 'reported'; readonly actor: ActorId; readonly fact: string; readonly value: string | number }
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly actor: string;
      readonly text: string;
      readonly fields: unknown;
    };

/**
 * A blocking thread runs its event loop this often, between two turns: V8 posts the work there by which an idle heap is
 * collected and shrinks. Without it a thread that was busy keeps its garbage for ever.
 */
const LOOP_TURN_MS = 1_000;

const COMPILERS_END_MS = 50;

/** Turns with nothing to do before a blocking thread parks. */
const IDLE_TURNS_BEFORE_PARKING = 2;

const data = workerData as ThreadData;
const { thread, wiring, events } = data;
const bells = new Doorbells(wiring.bells);
const post = (event: ThreadEvent): void => events.postMessage(event);
const isSockets = wiring.directory.threads[thread]!.kind === 'sockets';
const meter = new Meter(wiring.slabs[thread]!);
const busySeries = meter.series('hangar_thread_busy_seconds_total', { thread: wiring.directory.threads[thread]!.name });
const droppedSeries = meter.series('hangar_actor_messages_dropped_total', {
  thread: wiring.directory.threads[thread]!.name,
});

let syncThread: SyncThread = () => invariant(false, 'the disk actor of this thread is not started');
let readThread: ReadThread = () => invariant(false, 'the disk actor of this thread is not started');
let completeLater = (_action: () => void): void => invariant(false, 'the disk actor of this thread is not started');
let wakeSockets = (): void => undefined;

const core = new ThreadCore(
  thread,
  wiring.directory,
  systemClock,
  prng(data.seed + thread),
  {
    disk: mountRamDisks(
      new NodeDisk(
        (fd, done) => syncThread(fd, done),
        (fd, length, position, done) => readThread(fd, length, position, done),
      ),
      data.ramDisks,
      (action) => completeLater(action),
    ),
    network: isSockets
      ? new NodeNetwork((text) => post({ kind: 'log', level: 'warn', actor: 'network', text, fields: {} }))
      : undefined,
    meter,
  },
  {
    crashed: (actor, during, { name, message, stack = '' }, epoch) =>
      post({ kind: 'crashed', actor, during, error: { name, message, stack }, epoch }),
    ready: (actor, epoch) => post({ kind: 'ready', actor, epoch }),
    reported: (actor, fact, value) => post({ kind: 'reported', actor, fact, value }),
    log: (level, actor, text, fields) => post({ kind: 'log', level, actor, text, fields }),
    ring: (to) => {
      if (to !== thread) bells.ring(to);
      else wakeSockets();
    },
  },
  wiring.rings.filter(({ from }) => from === thread).map(({ to, lane, memory }) => ({ thread: to, lane, memory })),
  wiring.rings.filter(({ to }) => to === thread).map(({ from, lane, memory }) => ({ thread: from, lane, memory })),
);

const definitions = new Map<string, AnyActorDefinition>();
let isStopping = false;
/** Control calls under way: a blocking thread keeps its event loop running while there are any. */
let controlCalls = 0;

async function controlled<T>(call: () => T | Promise<T>): Promise<T> {
  controlCalls++;
  try {
    const answer = call();
    // The doorbell that announced the call may have been heard, and answered with a turn, before the call came.
    wakeSockets();
    return await answer;
  } finally {
    controlCalls--;
  }
}

const port: ThreadPort & { stop(): Promise<void> } = {
  start: (actor, definition, options) =>
    controlled(async () => core.start(actor, await definitionOf(definition), options)),
  close: (actor) => controlled(() => new Promise<void>((resolve) => core.close(actor, resolve))),
  kill: (unit, epoch) =>
    controlled(() => {
      core.kill(unit);
      core.setEpoch(unit, epoch);
    }),
  tell: (actor, kind, message) =>
    controlled(async () => {
      const { messages } = await definitionOfActor(actor);
      core.send(actor, actor, messages[kind] as Kind, message as never, 0);
    }),
  stop: () =>
    controlled(() => {
      isStopping = true;
    }),
};

async function definitionOf(name: string): Promise<AnyActorDefinition> {
  const found = definitions.get(name);
  if (found !== undefined) return found;
  const { registry } = (await import(data.registryUrl)) as { readonly registry: Registry };
  const load = registry[name];
  invariant(load !== undefined, 'no such actor definition', name);
  const definition = await load();
  definitions.set(name, definition);
  return definition;
}

async function definitionOfActor(actor: ActorId): Promise<AnyActorDefinition> {
  const definition = core.definitionOf(actor);
  invariant(definition !== undefined, 'actor is not running', wiring.directory.actors[actor]!.name);
  return definition;
}

function turn(): boolean {
  const startedMs = performance.now();
  const didWork = core.turn();
  if (didWork) meter.values[busySeries]! += (performance.now() - startedMs) / 1000;
  meter.values[droppedSeries] = core.droppedMessages;
  return didWork;
}

async function runBlocking(): Promise<void> {
  let idleTurns = 0;
  let loopTurnDueMs = 0;
  while (!isStopping) {
    const isCalled = bells.takeControl(thread) || controlCalls > 0;
    if (isCalled) idleTurns = 0;
    if (isCalled || (idleTurns > 0 && performance.now() >= loopTurnDueMs)) {
      await eventLoopTurn();
      loopTurnDueMs = performance.now() + LOOP_TURN_MS;
    }
    idleTurns = turn() ? 0 : idleTurns + 1;
    if (idleTurns < IDLE_TURNS_BEFORE_PARKING || controlCalls > 0 || isStopping) continue;
    bells.arm(thread);
    // The last look, after arming: what is published from now on rings.
    if (!core.hasWork()) bells.wait(thread, core.msToNextTimer());
    bells.disarm(thread);
  }
}

/** Turns run in the check phase, after the sockets of one poll phase have handed over what they had. */
function runSockets(): Promise<void> {
  return new Promise((resolve) => {
    let isScheduled = false;
    let isWaiting = false;
    let timer: NodeJS.Timeout | undefined;
    const schedule = (): void => {
      if (isScheduled) return;
      isScheduled = true;
      setImmediate(run);
    };
    wakeSockets = schedule;
    const rung = (): void => {
      isWaiting = false;
      schedule();
    };
    const run = (): void => {
      isScheduled = false;
      // This thread runs its event loop anyway; a bit that stays set would keep it from ever waiting.
      bells.takeControl(thread);
      if (isStopping) {
        clearTimeout(timer);
        resolve();
        return;
      }
      if (turn() || !parks()) {
        schedule();
        return;
      }
      clearTimeout(timer);
      const delayMs = core.msToNextTimer();
      if (delayMs !== Number.POSITIVE_INFINITY) timer = setTimeout(schedule, delayMs);
    };
    /** Arms the doorbell and looks once more; false when there is something to do at once. */
    const parks = (): boolean => {
      bells.arm(thread);
      if (core.hasWork()) return false;
      if (isWaiting) return true;
      const waiting = bells.waitAsync(thread);
      if (waiting === undefined) return false;
      isWaiting = true;
      void waiting.then(rung);
      return true;
    };
    schedule();
  });
}

Comlink.expose(port, nodeEndpoint(parentPort!));
for (const name of data.definitions) await definitionOf(name);
if (data.disk !== undefined) {
  core.start(data.disk, diskActor, {
    io: data.io,
    connect: (sync: SyncThread, read: ReadThread) => {
      syncThread = sync;
      completeLater = (action) => core.complete(data.disk!, action);
      readThread = read;
    },
  });
}
for (const io of new Set(Object.values(data.io ?? {}))) {
  if (wiring.directory.actors[io]!.thread === thread) core.start(io, ioActor, {});
}
post({ kind: 'up' });
await (isSockets ? runSockets() : runBlocking());
// Node 20 aborts the whole process (NodePlatform::ForIsolate) when a thread ends while its optimizing compiler is at
// work, as it is after load: 7 of 14 runs of the stress tests. Compilations end within milliseconds.
await sleep(COMPILERS_END_MS);
// Ends this thread only: every actor was closed, whatever handle is left has no owner.
process.exit();
