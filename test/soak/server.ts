/** One server process: started again on the same ports and store, whatever ended it. */
import { appendFileSync } from 'node:fs';
import { Child, type Command } from '../interop/harness/process.js';

const READY = /^hangar is ready/m;
/** An orderly stop that is not over after 5 s ends itself with KILLED, and the next start recovers (docs/operations.md). */
const STOP_MS = 20_000;
const KILLED = 130;

export class Server {
  /** Stops that took longer than they may. */
  slowStops = 0;
  private child: Child | undefined;

  /** What it says is appended to the file `log` when it ends. */
  constructor(
    readonly name: string,
    private readonly command: Command,
    private readonly log: string,
    /** Nobody asked it to end. */
    private readonly onDeath: (what: string) => void,
  ) {}

  start(): void {
    const child = new Child(this.command);
    this.child = child;
    void child.exited.then((code) => {
      appendFileSync(this.log, `${child.stdout}${child.stderr}---- ${child.pid} ended with ${code}\n`);
      if (this.child === child) this.onDeath(`${this.name} ended by itself with ${code}\n${child.stderr.slice(-2000)}`);
    });
  }

  async ready(limitMs: number): Promise<void> {
    await this.child?.waitForOutput(READY, limitMs);
  }

  async kill(): Promise<void> {
    await this.release()?.kill();
  }

  /** SIGTERM. An end with any other code counts as a death. */
  async stop(): Promise<void> {
    const child = this.release();
    if (child === undefined) return;
    await child.stop(STOP_MS);
    const code = await child.exited;
    if (code === KILLED) this.slowStops++;
    else if (code !== 0) this.onDeath(`${this.name}: SIGTERM ended it with ${code}\n${child.stderr.slice(-2000)}`);
  }

  freeze(): void {
    this.child?.signal('SIGSTOP');
  }

  thaw(): void {
    this.child?.signal('SIGCONT');
  }

  tell(line: string): void {
    this.child?.tell(line);
  }

  private release(): Child | undefined {
    const { child } = this;
    this.child = undefined;
    return child;
  }
}
