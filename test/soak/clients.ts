/**
 * Client processes by slot, such as java-1. A slot's process is an incarnation of it (java-1.4): the next one has another
 * member name and the same home directory, so that it finds the offsets of broadcasting groups again.
 */
import { mkdirSync } from 'node:fs';
import type { Client, Running } from '../interop/harness/programs.js';
import type { ClientKind, GroupKind } from './groups.js';

const STARTED_MS = 60_000;
const STOP_MS = 30_000;
/** Between the end of a process that nobody asked to end and the next one: at first, and when it ends again and again. */
const AGAIN_MS = 1_000;
const AGAIN_MOST_MS = 30_000;
const LIVED_MS = 30_000;

export interface SlotOptions {
  readonly name: string;
  readonly kind: ClientKind;
  readonly client: Client;
  /** What it consumes; undefined: it produces. */
  readonly consumes: readonly GroupKind[] | undefined;
  readonly namesrv: string;
  readonly topic: string;
  /** Path of the file. */
  readonly journal: string;
  readonly home: string;
  readonly pauseMs: number;
  /** It ended by itself, and is started again. */
  readonly onEnd: (member: string, code: number | null, said: string) => void;
}

export class Slot {
  private incarnation = 0;
  private running: Running | undefined;
  private again: NodeJS.Timeout | undefined;
  private againMs = AGAIN_MS;

  constructor(private readonly options: SlotOptions) {
    mkdirSync(options.home, { recursive: true });
  }

  start(): void {
    const { client, name, kind, consumes, namesrv, topic, journal, home, pauseMs } = this.options;
    const member = `${name}.${++this.incarnation}`;
    const common = { namesrv, topic, member, journal };
    const running =
      consumes === undefined
        ? client.start('soak-produce', { ...common, group: `soak-${kind}-producer`, pauseMs }, home)
        : client.start('soak-consume', { ...common, kinds: consumes.join(',') }, home);
    const startedMs = performance.now();
    this.running = running;
    void running.child.exited.then((code) => {
      if (this.running !== running) return;
      this.options.onEnd(member, code, running.child.stderr.slice(-2000));
      const hasLived = performance.now() - startedMs > LIVED_MS;
      this.againMs = hasLived ? AGAIN_MS : Math.min(AGAIN_MOST_MS, 2 * this.againMs);
      this.again = setTimeout(() => this.start(), this.againMs);
    });
  }

  /** Returns once the program says that it has started. */
  async started(): Promise<void> {
    await this.running?.child.waitForOutput(/^ready/m, STARTED_MS);
  }

  async kill(): Promise<void> {
    await this.release()?.child.kill();
  }

  /** SIGTERM; SIGKILL for one that hangs. */
  async stop(): Promise<void> {
    await this.release()?.child.stop(STOP_MS);
  }

  freeze(): void {
    this.running?.child.signal('SIGSTOP');
  }

  thaw(): void {
    this.running?.child.signal('SIGCONT');
  }

  private release(): Running | undefined {
    clearTimeout(this.again);
    const { running } = this;
    this.running = undefined;
    return running;
  }
}
