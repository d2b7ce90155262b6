/**
 * The shared memory of a cluster: made once by the main thread, handed to every thread. Rings exist for every pair of
 * threads and lane; memory that nobody uses costs address space only.
 */
import { KIB, MIB } from '../base/units.js';
import { doorbellBytes } from './doorbell.js';
import type { Directory } from './directory.js';
import type { Lane } from './message.js';
import { ringBytes } from './ring.js';
import { SLAB_BYTES } from './slab.js';

export interface RingSizes {
  /** Between the sockets thread and a worker, each way. */
  readonly socketsBytes: number;
  /** Between two workers. */
  readonly workersBytes: number;
}

export const DEFAULT_RING_SIZES: RingSizes = { socketsBytes: 8 * MIB, workersBytes: MIB };

export interface RingEntry {
  readonly from: number;
  readonly to: number;
  readonly lane: Lane;
  readonly memory: SharedArrayBuffer;
}

export interface Wiring {
  readonly directory: Directory;
  readonly rings: readonly RingEntry[];
  readonly bells: SharedArrayBuffer;
  /** One a thread, and the last for the main thread. */
  readonly slabs: readonly SharedArrayBuffer[];
  /** Int32, one a unit: 1 while it serves. */
  readonly health: SharedArrayBuffer;
}

export function makeWiring(directory: Directory, sizes: RingSizes = DEFAULT_RING_SIZES): Wiring {
  const rings: RingEntry[] = [];
  const { threads } = directory;
  for (const [from, source] of threads.entries()) {
    for (const [to, target] of threads.entries()) {
      if (from === to) continue;
      const isSockets = source.kind === 'sockets' || target.kind === 'sockets';
      const capacity = isSockets ? sizes.socketsBytes : sizes.workersBytes;
      for (const lane of ['request', 'reply'] as const) {
        // What the sockets thread says is on the request lane, what it hears on the reply lane; the rest is small.
        const isMain = !isSockets || (source.kind === 'sockets') === (lane === 'request');
        const bytes = ringBytes(isMain ? capacity : 64 * KIB);
        rings.push({ from, to, lane, memory: new SharedArrayBuffer(bytes) });
      }
    }
  }
  return {
    directory,
    rings,
    bells: new SharedArrayBuffer(doorbellBytes(threads.length)),
    slabs: [...threads, 'main'].map(() => new SharedArrayBuffer(SLAB_BYTES)),
    health: new SharedArrayBuffer(Math.max(4, directory.units.length * 4)),
  };
}
