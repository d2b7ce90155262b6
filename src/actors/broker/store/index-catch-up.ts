/**
 * After a crash the key index lacks messages, and a broker does not wait for them: while it serves, this puts their keys
 * into the index, in the order of the log. Messages that are stored meanwhile have to wait, so nobody else puts keys as long
 * as `isBehind`: this goes on with them until it stands at the end of the log, and then every message has its keys put as it
 * is stored. What an index file holds is the same as without a crash, and no key is there twice.
 *
 * It works in steps of some hundred microseconds, a turn each. The log is read on a thread that may block, but for its very
 * end, which is in memory. While messages come a step takes twice as much as they brought, so that it gets there.
 *
 * The same is done when the disk refuses keys while the broker runs: none is forgotten, they come later.
 *
 * A stop or a crash in between is no loss: the index's own end says how far it came (RecoveredIndex, stopUnindexed).
 */
import { gauge, type Gauge } from '../../../../metrics/meter.js';
import { catalog } from '../../../../metrics/catalog.js';
import { DiskError } from '../../../base/disk.js';
import { diskErrorFacts, withRemedy } from '../../../base/disk-remedy.js';
import { gib, progressText } from '../../../base/progress.js';
import { KIB, MIB, MS_PER_SECOND } from '../../../base/units.js';
import { type Context, PROGRESS } from '../../../runtime/actor.js';
import { READ_PIECE_BYTES } from '../../../runtime/node-disk.js';
import { IndexRebuild, type Unindexed } from '../../../store/index-rebuild.js';
import type { IndexService } from '../../../store/index-service.js';
import type { LogFiles } from '../../../store/log-files.js';
import type { BrokerState } from '../state.js';

/** A step takes at least the first, if it is there, and at most the second, unless a message is larger. */
const STEP_BYTES = 512 * KIB;
export const STEP_BYTES_MAX = 2 * MIB;
/** A step takes this part of the least only while messages come. */
const BUSY_PART = 4;
/** What was written last is in the page cache. */
const NEAR_BYTES = MIB;
const RETRY_MS = 1_000;
const INDEX_RETRY_MS = 5_000;
/** It says how far it is when it has taken so long, and then so often. */
const FIRST_LINE_MS = 1_000;
const LINE_MS = 5_000;

export class IndexCatchUp {
  /** Keys of new messages are not to be put: this does it later. */
  isBehind: boolean;
  private rebuild: IndexRebuild | undefined;
  private readonly behindBytes: Gauge;
  private buffer = Buffer.alloc(0);
  /** The constants above, but small beside a file where files are small. */
  private readonly stepMin: number;
  private readonly stepMax: number;
  private readonly nearBytes: number;
  /** Number of the step that is being read; a later one makes it void. */
  private read = 0;
  /** Where the log ended at the last step. */
  private endBefore = 0;
  private from: number;
  private sinceMs = 0;
  private lineAtMs = 0;
  private damaged = 0;
  private hasSpoken = false;
  private readProblem = '';
  private onDone: () => void = () => {};

  constructor(
    private readonly context: Context,
    private readonly index: IndexService | undefined,
    private readonly fileBytes: number,
    unindexed: Unindexed | undefined,
  ) {
    this.behindBytes = gauge(context.meter, catalog.indexBehind, { broker: context.name });
    this.isBehind = index !== undefined && unindexed !== undefined;
    this.stepMin = Math.min(STEP_BYTES, Math.ceil(fileBytes / 4));
    this.stepMax = Math.min(STEP_BYTES_MAX, fileBytes);
    this.nearBytes = Math.min(NEAR_BYTES, Math.ceil(fileBytes / 2));
    this.from = unindexed?.from ?? 0;
    if (index === undefined || unindexed === undefined) return;
    this.rebuild = this.rebuildOf(index, unindexed, 0);
  }

  private rebuildOf(index: IndexService, unindexed: Unindexed, keysPut: number): IndexRebuild {
    const onDamage = (offset: number, problem: string): void => this.onDamage(offset, problem);
    return new IndexRebuild(index, this.fileBytes, unindexed, onDamage, keysPut);
  }

  start(state: BrokerState): void {
    if (this.isBehind) this.begin(state, 0);
  }

  /** The disk has refused a key of the message at `offset`, the first `keysPut` are in: the others follow once it takes them. */
  fallBehind(state: BrokerState, offset: number, keysPut: number): void {
    if (this.isBehind || this.index === undefined) return;
    this.rebuild = this.rebuildOf(this.index, { from: offset, indexedTo: -1 }, keysPut);
    this.from = offset;
    this.isBehind = true;
    this.begin(state, INDEX_RETRY_MS);
  }

  private begin(state: BrokerState, delayMs: number): void {
    const { context } = this;
    this.sinceMs = context.clock.monotonic();
    this.lineAtMs = this.sinceMs + FIRST_LINE_MS;
    this.endBefore = state.log.endOffset;
    this.show(state.replication.wholeEnd);
    this.again(state, delayMs);
  }

  /** Bytes of the log whose keys are missing. */
  left(state: BrokerState): number {
    return this.isBehind ? Math.max(0, state.replication.wholeEnd - this.rebuild!.position) : 0;
  }

  /** Why a key may not be found, for whoever asks; undefined when all are there. */
  notice(state: BrokerState): string | undefined {
    if (!this.isBehind) return undefined;
    return `keys of messages behind commit log offset ${this.rebuild!.position} are still being put into the index (${this.progress(state)}): ask again later`;
  }

  /** `done` is called in the turn in which the index is complete. */
  whenDone(done: () => void): void {
    this.onDone = done;
  }

  /** The log is emptied, or the broker stops. */
  end(): void {
    this.isBehind = false;
    this.read++;
    this.buffer = Buffer.alloc(0);
    this.behindBytes.set(0);
  }

  private again(state: BrokerState, delayMs: number): void {
    this.context.after(delayMs, () => this.step(state));
  }

  private step(state: BrokerState): void {
    if (!this.isBehind) return;
    const { log } = state;
    const rebuild = this.rebuild!;
    const target = state.replication.wholeEnd;
    this.skipMissing(log.files, target);
    const from = rebuild.position;
    this.show(target);
    if (from >= target) return this.atEnd(state);
    const isNear = target - from <= this.nearBytes;
    const wanted = Math.max(this.stepBytes(log.endOffset), rebuild.wantedBytes, isNear ? this.nearBytes : 0);
    const bytes = Math.min(wanted, target - from, bytesToFileEnd(log.files, from));
    if (this.buffer.length < bytes) this.buffer = Buffer.allocUnsafeSlow(bytes);
    if (isNear || log.window?.isValid(from) === true) this.readHere(state, from, bytes, target);
    else this.readElsewhere(state, from, bytes, target);
  }

  private stepBytes(logEnd: number): number {
    const brought = logEnd - this.endBefore;
    this.endBefore = logEnd;
    const least = brought === 0 ? this.stepMin : this.stepMin / BUSY_PART;
    return Math.min(this.stepMax, Math.ceil(Math.max(least, 2 * brought)));
  }

  private readHere(state: BrokerState, from: number, bytes: number, target: number): void {
    const { window, files } = state.log;
    try {
      if (window?.copy(from, bytes, this.buffer, 0) === true) return this.put(state, bytes, bytes, target);
      this.put(state, files.read(from, bytes, this.buffer, 0), bytes, target);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.unreadable(state, error);
    }
  }

  /** In pieces, as each travels as one message. */
  private readElsewhere(state: BrokerState, from: number, bytes: number, target: number): void {
    const { files } = state.log;
    const { buffer } = this;
    const read = ++this.read;
    const inFile = from - files.fileStart(from);
    let missing = Math.ceil(bytes / READ_PIECE_BYTES);
    let got = 0;
    let failure: DiskError | undefined;
    const arrived = (error: DiskError | undefined, count: number): void => {
      failure ??= error;
      got += count;
      missing--;
      if (missing > 0 || read !== this.read) return;
      if (failure !== undefined) return this.unreadable(state, failure);
      this.put(state, got, bytes, target);
    };
    try {
      const file = files.fileAt(from);
      for (let at = 0; at < bytes; at += READ_PIECE_BYTES) {
        file.readLater(buffer, at, Math.min(READ_PIECE_BYTES, bytes - at), inFile + at, arrived);
      }
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.read++;
      this.unreadable(state, error);
    }
  }

  private put(state: BrokerState, got: number, wanted: number, target: number): void {
    const rebuild = this.rebuild!;
    this.readProblem = '';
    // Cut short by somebody: what it held is gone.
    if (got < wanted)
      rebuild.skipTo(Math.min(target, rebuild.position + bytesToFileEnd(state.log.files, rebuild.position)));
    try {
      if (got === wanted) rebuild.put(this.buffer, got, target);
      state.faults.worked('index');
      this.tell(state);
      // In this very turn: in the next one there may be more.
      if (rebuild.position >= state.replication.wholeEnd) this.atEnd(state);
      else this.again(state, 0);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      state.faults.failed('index', diskErrorFacts(error));
      this.again(state, INDEX_RETRY_MS);
    }
  }
  /** The end of what is there now: the index is complete unless more is on its way, of this very turn. */
  private atEnd(state: BrokerState): void {
    const { isSlave, log } = state;
    const isMoreToCome = !isSlave && log.writtenOffset < log.endOffset;
    if (isMoreToCome) return this.again(state, log.failure === undefined ? 0 : RETRY_MS);
    const bytes = this.rebuild!.position - this.from;
    this.end();
    const seconds = ((this.context.clock.monotonic() - this.sinceMs) / MS_PER_SECOND).toFixed(1);
    if (this.damaged > 0) {
      this.context.log.warn('the key index misses messages: the log is damaged in places, see `hangar store check`', {
        places: this.damaged,
      });
    }
    if (this.hasSpoken)
      this.context.report(PROGRESS, `the key index is complete: ${gib(bytes)} GiB of log in ${seconds} s`);
    this.onDone();
  }

  /** Retention has deleted files, or somebody did. */
  private skipMissing(files: LogFiles, target: number): void {
    const rebuild = this.rebuild!;
    if (rebuild.position >= target || files.indexOf(rebuild.position) >= 0) return;
    let next = target;
    for (let i = files.count - 1; i >= 0 && files.startAt(i) > rebuild.position; i--) next = files.startAt(i);
    rebuild.skipTo(Math.min(next, target));
  }

  private unreadable(state: BrokerState, error: DiskError): void {
    const problem = withRemedy(error);
    if (problem !== this.readProblem) this.context.log.error(`the commit log cannot be read for its keys: ${problem}`);
    this.readProblem = problem;
    this.again(state, RETRY_MS);
  }

  private onDamage(offset: number, problem: string): void {
    this.damaged++;
    if (this.damaged > 1) return;
    this.context.log.warn(`the log is damaged at ${offset} (${problem}): keys of messages there are not in the index`);
  }

  private tell(state: BrokerState): void {
    const nowMs = this.context.clock.monotonic();
    if (nowMs < this.lineAtMs) return;
    this.lineAtMs = nowMs + LINE_MS;
    this.hasSpoken = true;
    this.context.report(PROGRESS, `completing the key index: ${this.progress(state)}`);
  }

  private progress(state: BrokerState): string {
    const done = this.rebuild!.position - this.from;
    const ms = this.context.clock.monotonic() - this.sinceMs;
    return progressText(done, state.replication.wholeEnd - this.from, done, ms);
  }

  private show(target: number): void {
    this.behindBytes.set(Math.max(0, target - this.rebuild!.position));
  }
}

function bytesToFileEnd(files: LogFiles, offset: number): number {
  return files.fileStart(offset) + files.fileBytes - offset;
}
