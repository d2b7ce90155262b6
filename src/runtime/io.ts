/**
 * Blocking disk work off the actor threads: one I/O thread a process runs `io`, whose handlers block on purpose; every
 * thread with a disk has a `disk` actor that asks it and hands the answers to who waits.
 * File descriptors belong to the process, so a number is all that has to travel.
 */
import fs from 'node:fs';
import { type ActorId, actor, type Context } from './actor.js';
import { type MessageOf, messageTable } from './message.js';
import type { SyncThread } from './node-disk.js';

export const ioMessages = messageTable({
  sync: { id: 1, fields: { fd: 'i32', token: 'i32' } },
});

const diskMessages = messageTable({
  /** `bytes`: the operating system's error code, nothing on success. */
  synced: { id: 1, lane: 'reply', fields: { token: 'i32' }, bytes: true },
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
  on: { sync: onSync },
});

function onSync({ context }: IoState, m: MessageOf<typeof ioMessages, 'sync'>): void {
  const code = syncNow(m.fd);
  const place = context.begin(m.source, diskMessages.synced, { token: m.token }, 0, code.length);
  place.buffer.write(code, place.at, 'latin1');
  context.end(code.length);
}

function syncNow(fd: number): string {
  try {
    fs.fdatasyncSync(fd);
    return '';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EIO';
  }
}

interface DiskOptions {
  readonly io: ActorId;
  /** Receives the function that NodeDisk calls. */
  readonly connect: (sync: SyncThread) => void;
}

interface DiskState {
  readonly waiting: Map<number, (errorCode?: string) => void>;
}

/** At most one sync per open file is under way, so the table is bounded by the open files. */
export const diskActor = actor('disk', {
  messages: diskMessages,
  start: (context: Context, { io, connect }: DiskOptions): DiskState => {
    const waiting: DiskState['waiting'] = new Map();
    let nextToken = 1;
    connect((fd, done) => {
      const token = nextToken;
      nextToken = (nextToken % 0x7fff_ffff) + 1;
      waiting.set(token, done);
      context.send(io, ioMessages.sync, { fd, token });
    });
    context.ready();
    return { waiting };
  },
  on: { synced: onSynced },
});

function onSynced(state: DiskState, m: MessageOf<typeof diskMessages, 'synced'>): void {
  const done = state.waiting.get(m.token);
  state.waiting.delete(m.token);
  done?.(m.end > m.start ? m.buffer.toString('latin1', m.start, m.end) : undefined);
}
