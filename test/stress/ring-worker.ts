/**
 * One end of a ring on a thread of its own: writes or reads numbered records of pseudo-random length and content as
 * fast as it can, parks when it cannot go on, and posts what it found.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { invariant } from '../../src/base/invariant.js';
import { Doorbells } from '../../src/runtime/doorbell.js';
import { RingReader, type RingMemory, RingWriter } from '../../src/runtime/ring.js';
import { RECORD } from '../../src/runtime/ring-layout.js';

export interface RingWorkerData {
  readonly role: 'writer' | 'reader';
  readonly ring: RingMemory;
  readonly bells: SharedArrayBuffer;
  readonly records: number;
  /** Records between two publishes or two releases. */
  readonly batch: number;
}

export interface RingWorkerResult {
  readonly role: 'writer' | 'reader';
  readonly parked: number;
  readonly error: string | undefined;
}

const WRITER = 0;
const READER = 1;
const LOST_AFTER_MS = 3000;

const data = workerData as RingWorkerData;
const bells = new Doorbells(data.bells);
let parked = 0;

/** Multiplicative hash: the same number gives the same record on both ends. */
function mix(value: number): number {
  const mixed = Math.imul(value ^ (value >>> 16), 0x45d9f3b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

function wordsOf(sequence: number, maxPayloadBytes: number): number {
  return mix(sequence) % (Math.floor(maxPayloadBytes / 4) + 1);
}

function park(thread: number, mayGoOn: () => boolean): void {
  bells.arm(thread);
  if (!mayGoOn()) {
    parked++;
    const startedMs = performance.now();
    bells.wait(thread, LOST_AFTER_MS);
    const isLost = performance.now() - startedMs >= LOST_AFTER_MS && mayGoOn();
    invariant(!isLost, 'lost wake-up');
  }
  bells.disarm(thread);
}

function write(): void {
  const ring = new RingWriter(data.ring);
  const publish = (): void => {
    if (ring.publish()) bells.ring(READER);
  };
  for (let sequence = 0; sequence < data.records; sequence++) {
    const words = wordsOf(sequence, ring.maxPayloadBytes);
    let at = ring.claim(words * 4);
    while (at < 0) {
      publish();
      park(WRITER, () => {
        ring.awaitRoom();
        return ring.claim(words * 4) >= 0;
      });
      at = ring.claim(words * 4);
    }
    ring.view.setInt32(at + RECORD.length, words * 4, true);
    ring.view.setInt32(at + RECORD.key, sequence, true);
    for (let word = 0; word < words; word++) {
      ring.view.setInt32(at + RECORD.payload + word * 4, mix(sequence + word) | 0, true);
    }
    ring.commit(words * 4);
    if (mix(sequence) % data.batch === 0) publish();
  }
  publish();
}

function read(): void {
  const ring = new RingReader(data.ring);
  let expected = 0;
  while (expected < data.records) {
    if (!ring.refresh()) park(READER, () => ring.hasMore());
    for (let at = ring.next(); at >= 0; at = ring.next()) {
      const sequence = ring.view.getInt32(at + RECORD.key, true);
      invariant(sequence === expected, 'order', sequence, expected);
      const words = wordsOf(sequence, ring.maxPayloadBytes);
      invariant(ring.view.getInt32(at + RECORD.length, true) === words * 4, 'length', sequence);
      for (let word = 0; word < words; word++) {
        const found = ring.view.getInt32(at + RECORD.payload + word * 4, true);
        invariant(found === (mix(sequence + word) | 0), 'torn record', sequence, word);
      }
      ring.skip(at);
      expected++;
      if (mix(~sequence) % data.batch === 0 && ring.release()) bells.ring(WRITER);
    }
    if (ring.release()) bells.ring(WRITER);
  }
}

let error: string | undefined;
try {
  if (data.role === 'writer') write();
  else read();
} catch (thrown) {
  error = (thrown as Error).message;
}
const result: RingWorkerResult = { role: data.role, parked, error };
parentPort!.postMessage(result);
