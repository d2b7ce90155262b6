/**
 * Blocking disk work off the actor threads: two I/O threads a process, one for syncs and one for reads that may have to
 * wait for the device. Each runs an `io` actor whose handlers block on purpose; every thread with a disk has a `disk`
 * actor that asks them and hands the answers to who waits. Two, so that no reader waits for a sync of somebody else's
 * megabytes, and no group commit for a queue of reads.
 * File descriptors belong to the process, so a number is all that has to travel.
 */
import fs from 'node:fs';
import { invariant } from '../base/invariant.js';
import { type ActorId, actor, type Context } from './actor.js';
import { type MessageOf, messageTable } from './message.js';
import type { ReadDone, ReadThread, SyncThread } from './node-disk.js';

export const ioMessages = messageTable({
  sync: { id: 1, fields: { fd: 'i32', token: 'i32' } },
  read: { id: 2, fields: { fd: 'i32', token: 'i32', length: 'i32', position: 'offset' } },
});

const diskMessages = messageTable({
  /** `bytes`: the operating system's error code, nothing on success. */
  synced: { id: 1, lane: 'reply', fields: { token: 'i32' }, bytes: true },
  /** `bytes`: `u8 outcome`, then the content, or the operating system's error code. */
  read: { id: 2, lane: 'reply', fields: { token: 'i32' }, bytes: true },
});

interface IoState {
  readonly context: Context;
}

export const ioActor = actor('io', {
  messages: ioMessages,
  start: (context: Context): IoState => {
    context.ready();
    return { context };
  },
  on: { sync: onSync, read: onReadAsked },
});

const OUTCOME = { content: 0, error: 1, bytes: 1 } as const;
/** An error code of the operating system is shorter. */
const CODE_BYTES_MAX = 64;

function onSync({ context }: IoState, m: MessageOf<typeof ioMessages, 'sync'>): void {
  const code = syncNow(m.fd);
  const place = context.begin(m.source, diskMessages.synced, { token: m.token }, 0, code.length);
  place.buffer.write(code, place.at, 'latin1');
  context.end(code.length);
}

/** The file is read straight into the ring. */
function onReadAsked({ context }: IoState, m: MessageOf<typeof ioMessages, 'read'>): void {
  const { fd, token, length, position } = m;
  const maxBytes = OUTCOME.bytes + Math.max(length, CODE_BYTES_MAX);
  const { buffer, at } = context.begin(m.source, diskMessages.read, { token }, 0, maxBytes);
  const contentAt = at + OUTCOME.bytes;
  try {
    let bytes = 0;
    for (let count = -1; bytes < length && count !== 0; bytes += count) {
      count = fs.readSync(fd, buffer, contentAt + bytes, length - bytes, position + bytes);
    }
    buffer[at] = OUTCOME.content;
    context.end(OUTCOME.bytes + bytes);
  } catch (error) {
    buffer[at] = OUTCOME.error;
    context.end(OUTCOME.bytes + buffer.write(codeOf(error), contentAt, 'latin1'));
  }
}

function syncNow(fd: number): string {
  try {
    fs.fdatasyncSync(fd);
    return '';
  } catch (error) {
    return codeOf(error);
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'EIO';
}

/** Who does blocking disk work for everybody. */
export interface IoActors {
  readonly syncs: ActorId;
  readonly reads: ActorId;
}

interface DiskOptions {
  /** undefined: nothing of this process is on a disk. */
  readonly io: IoActors | undefined;
  /** Receives the functions that NodeDisk calls. */
  readonly connect: (sync: SyncThread, read: ReadThread) => void;
}

interface DiskState {
  readonly syncing: Map<number, (errorCode?: string) => void>;
  readonly reading: Map<number, ReadDone>;
}

/**
 * At most one sync per open file is under way, so that table is bounded by the open files; the other one by who reads:
 * see ColdBlocks.
 */
export const diskActor = actor('disk', {
  messages: diskMessages,
  start: (context: Context, { io, connect }: DiskOptions): DiskState => {
    const syncing: DiskState['syncing'] = new Map();
    const reading: DiskState['reading'] = new Map();
    let lastToken = 0;
    const nextToken = (): number => {
      lastToken = (lastToken % 0x7fff_ffff) + 1;
      return lastToken;
    };
    const asked = (): IoActors => {
      invariant(io !== undefined, 'no file is open in a process without I/O threads');
      return io;
    };
    connect(
      (fd, done) => {
        const token = nextToken();
        syncing.set(token, done);
        context.send(asked().syncs, ioMessages.sync, { fd, token });
      },
      (fd, length, position, done) => {
        const token = nextToken();
        reading.set(token, done);
        context.send(asked().reads, ioMessages.read, { fd, token, length, position });
      },
    );
    context.ready();
    return { syncing, reading };
  },
  on: { synced: onSynced, read: onRead },
});

function onSynced(state: DiskState, m: MessageOf<typeof diskMessages, 'synced'>): void {
  const done = state.syncing.get(m.token);
  state.syncing.delete(m.token);
  done?.(m.end > m.start ? m.buffer.toString('latin1', m.start, m.end) : undefined);
}

function onRead(state: DiskState, m: MessageOf<typeof diskMessages, 'read'>): void {
  const done = state.reading.get(m.token);
  state.reading.delete(m.token);
  const at = m.start + OUTCOME.bytes;
  if (m.buffer[m.start] === OUTCOME.content) done?.(undefined, m.buffer, at, m.end);
  else done?.(m.buffer.toString('latin1', at, m.end), m.buffer, at, at);
}
