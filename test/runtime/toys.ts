/**
 * A small cluster for tests of the simulation: clients add numbers over TCP; a ledger on disk answers when an entry is
 * synced; an auditor on a third thread, in the same unit, hears of every entry.
 *
 *     request   i32 id, i32 amount
 *     response  i32 id, i32 position of the entry in the ledger
 */
import { invariant } from '../../src/base/invariant.js';
import type { DiskFile } from '../../src/base/disk.js';
import { type ActorId, actor, type Context } from '../../src/runtime/actor.js';
import { actorIdOf, type Directory } from '../../src/runtime/directory.js';
import { type MessageOf, messageTable } from '../../src/runtime/message.js';
import type { Listener, Socket } from '../../src/runtime/network.js';
import type { ProcessSpec } from '../../src/runtime/simulation/simulation.js';
import type { UnitPlan } from '../../src/runtime/supervisor.js';

export const PORT = 100;
export const HOST = '10.0.0.1';
const ENTRY_BYTES = 8;
/** Of one request and of one response. */
export const FRAME_BYTES = 8;
export const LEDGER_PATH = '/ledger';

export const directory: Directory = {
  threads: [
    { name: 'front', kind: 'sockets' },
    { name: 'worker-1', kind: 'blocking' },
    { name: 'worker-2', kind: 'blocking' },
  ],
  units: [{ name: 'front' }, { name: 'ledger' }],
  actors: [
    { name: 'front', thread: 0, unit: 0 },
    { name: 'ledger', thread: 1, unit: 1 },
    { name: 'auditor', thread: 2, unit: 1 },
  ],
};
const LEDGER_UNIT = 1;
const [FRONT, LEDGER, AUDITOR] = ['front', 'ledger', 'auditor'].map((name) => actorIdOf(directory, name)) as [
  ActorId,
  ActorId,
  ActorId,
];

const frontMessages = messageTable({
  openUnit: { id: 1, lane: 'reply', fields: { unit: 'i32' } },
  closeUnit: { id: 2, lane: 'reply', fields: { unit: 'i32' } },
  drain: { id: 3, lane: 'reply' },
  added: { id: 4, lane: 'reply', fields: { connection: 'i32', entry: 'i32', position: 'i32' } },
});

const ledgerMessages = messageTable({
  add: { id: 1, fields: { connection: 'i32', entry: 'i32', amount: 'i32' } },
});

const auditorMessages = messageTable({
  entry: { id: 1, fields: { position: 'i32', amount: 'i32' } },
});

interface Front {
  readonly context: Context;
  readonly sockets: Map<number, Socket>;
  listener: Listener | undefined;
  nextConnection: number;
}

const front = actor('front', {
  messages: frontMessages,
  start: (context: Context): Front => {
    context.ready();
    return { context, sockets: new Map(), listener: undefined, nextConnection: 1 };
  },
  on: {
    openUnit: (state) => {
      const { context } = state;
      state.listener = context.network.listen(HOST, PORT, {
        onListening: (port) => context.report('ledger.port', port),
        onFailed: (code) => context.fail(new Error(`cannot listen: ${code}`)),
        onConnection: (socket) => accept(state, socket),
      });
    },
    closeUnit: (state) => {
      state.listener?.close();
      state.listener = undefined;
      for (const socket of state.sockets.values()) socket.destroy('its unit is gone');
    },
    drain: (state) => {
      state.listener?.close();
      for (const socket of state.sockets.values()) socket.pause();
    },
    added: (state, { connection, entry, position }) => {
      const response = Buffer.alloc(FRAME_BYTES);
      response.writeInt32BE(entry, 0);
      response.writeInt32BE(position, 4);
      state.sockets.get(connection)?.write(response);
    },
  },
});

function accept(state: Front, socket: Socket) {
  const { context } = state;
  const connection = state.nextConnection++;
  state.sockets.set(connection, socket);
  let rest = Buffer.alloc(0);
  const forward = (): void => {
    let at = 0;
    for (; at + FRAME_BYTES <= rest.length; at += FRAME_BYTES) {
      const message = { connection, entry: rest.readInt32BE(at), amount: rest.readInt32BE(at + 4) };
      if (context.trySend(LEDGER, ledgerMessages.add, message)) continue;
      // A full ring stops the socket that feeds it.
      socket.pause();
      context.onceOpen(LEDGER, 'request', () => {
        socket.resume();
        forward();
      });
      break;
    }
    rest = rest.subarray(at);
  };
  return {
    onData: (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      forward();
    },
    onDrained: () => undefined,
    onClosed: () => {
      state.sockets.delete(connection);
    },
  };
}

export interface Ledger {
  readonly context: Context;
  readonly file: DiskFile;
  readonly entries: number[];
  /** Answers that wait for a sync: [connection, entry, position]. */
  readonly waiting: [number, number, number][];
  isSyncing: boolean;
}

export interface LedgerOptions {
  /** An entry with this amount crashes the ledger before it is written. */
  readonly poison: number | undefined;
  readonly prepared?: unknown;
}

const ledger = actor('ledger', {
  messages: ledgerMessages,
  start: (context: Context, options: LedgerOptions): Ledger & { poison: number | undefined } => {
    invariant(options.prepared === undefined || options.prepared === 'scanned', 'preparation', options.prepared);
    const { disk } = context;
    const isNew = disk.stat(LEDGER_PATH) === undefined;
    const file = disk.open(LEDGER_PATH, { create: true });
    if (isNew) disk.syncDirectory('/');
    const entries: number[] = [];
    const bytes = Buffer.alloc(file.size());
    file.read(bytes, 0, bytes.length, 0);
    // A torn or lost tail: entries are never 0.
    for (let at = 0; at + ENTRY_BYTES <= bytes.length && bytes.readInt32BE(at) !== 0; at += ENTRY_BYTES) {
      if (bytes.readInt32BE(at + 4) !== ~bytes.readInt32BE(at)) break;
      entries.push(bytes.readInt32BE(at));
    }
    file.truncate(entries.length * ENTRY_BYTES);
    context.ready();
    return { context, file, entries, waiting: [], isSyncing: false, poison: options.poison };
  },
  on: {
    add: (state, { connection, entry, amount }) => {
      invariant(amount !== state.poison, 'poison', entry);
      const position = state.entries.length;
      const bytes = Buffer.alloc(ENTRY_BYTES);
      bytes.writeInt32BE(entry, 0);
      bytes.writeInt32BE(~entry, 4);
      state.file.write(bytes, 0, ENTRY_BYTES, position * ENTRY_BYTES);
      state.entries.push(entry);
      state.waiting.push([connection, entry, position]);
      state.context.send(AUDITOR, auditorMessages.entry, { position, amount });
    },
  },
  endOfBatch: sync,
  close: (state, done) => {
    const finish = (): void => {
      if (state.waiting.length > 0 || state.isSyncing) {
        state.context.after(1, finish);
        return;
      }
      state.file.close();
      done();
    };
    finish();
  },
});

/** One sync at a time covers everything written before it. */
function sync(state: Ledger): void {
  if (state.isSyncing || state.waiting.length === 0) return;
  state.isSyncing = true;
  const covered = state.waiting.length;
  state.file.syncLater((error) => {
    if (error !== undefined) throw error;
    state.isSyncing = false;
    for (const [connection, entry, position] of state.waiting.splice(0, covered)) {
      state.context.send(FRONT, frontMessages.added, { connection, entry, position });
    }
  });
}

export interface Auditor {
  next: number | undefined;
  heard: number;
}

const auditor = actor('auditor', {
  messages: auditorMessages,
  start: (context: Context): Auditor => {
    context.ready();
    return { next: undefined, heard: 0 };
  },
  on: {
    entry: (state, { position }: MessageOf<typeof auditorMessages, 'entry'>) => {
      invariant(state.next === undefined || position === state.next, 'entries in order', position, String(state.next));
      state.next = position + 1;
      state.heard++;
    },
  },
});

/** A process with the toy cluster. */
export function toyProcess(
  more: Partial<ProcessSpec> & { poison?: number; prepare?: UnitPlan['prepare'] } = {},
): ProcessSpec {
  const { poison, prepare, ...spec } = more;
  const options = (): Readonly<Record<string, unknown>> => ({ poison });
  return {
    name: 'toys',
    host: HOST,
    directory,
    front: FRONT,
    definitions: { front, ledger, auditor },
    plans: () => [
      {
        unit: 0,
        actors: [{ actor: FRONT, definition: 'front', options: () => ({}), takesPrepared: false }],
        prepare: undefined,
        hasListeners: false,
        stage: 0,
      },
      {
        unit: LEDGER_UNIT,
        actors: [
          { actor: LEDGER, definition: 'ledger', options, takesPrepared: true },
          { actor: AUDITOR, definition: 'auditor', options: () => ({}), takesPrepared: false },
        ],
        prepare,
        hasListeners: true,
        stage: 1,
      },
    ],
    ...spec,
  };
}

export function request(entry: number, amount: number): Buffer {
  const bytes = Buffer.alloc(FRAME_BYTES);
  bytes.writeInt32BE(entry, 0);
  bytes.writeInt32BE(amount, 4);
  return bytes;
}
