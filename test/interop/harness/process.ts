/**
 * Child processes with an end: every wait has a limit, every child is killed when the test process goes,
 * and what a child last said is at hand when a wait fails.
 */
import { type ChildProcess, spawn } from 'node:child_process';

/** What is kept of each output stream of a server; a program's output is the test's evidence and has a larger limit. */
const SERVER_TAIL_BYTES = 64 * 1024;
const PROGRAM_OUTPUT_BYTES = 64 * 1024 * 1024;
const TERMINATE_MS = 10_000;

const living = new Set<ChildProcess>();

process.on('exit', () => {
  for (const child of living) child.kill('SIGKILL');
});
// Without a handler a signal ends this process without 'exit', and the children would stay.
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => process.exit(code));
}

export interface Command {
  /** For messages: "Apache broker broker-a". */
  readonly name: string;
  readonly file: string;
  readonly args: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** It reads lines from its standard input (`tell`), which ends with this process. */
  readonly listens?: boolean;
}

export interface Output {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A started child. `stdout` and `stderr` hold at most the newest `keepBytes` characters of each. */
export class Child {
  stdout = '';
  stderr = '';
  readonly exited: Promise<number | null>;
  #process: ChildProcess;
  #onOutput = new Set<() => void>();
  #ended = false;

  constructor(
    readonly command: Command,
    keepBytes: number = SERVER_TAIL_BYTES,
  ) {
    const child = spawn(command.file, command.args, {
      env: command.env ?? process.env,
      stdio: [command.listens === true ? 'pipe' : 'ignore', 'pipe', 'pipe'],
      ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    });
    this.#process = child;
    living.add(child);
    // What is told to a process that has just been killed is lost with it.
    child.stdin?.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') this.stderr += `${error.message}\n`;
    });
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout = (this.stdout + text).slice(-keepBytes);
      this.#changed();
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-keepBytes);
      this.#changed();
    });
    this.exited = new Promise((resolve) => {
      // 'close' follows 'exit' once the output has been read; a command that cannot be started gives only 'error'.
      child.once('close', (code) => this.#end(() => resolve(code)));
      child.once('error', (error) => {
        this.stderr += `${error.message}\n`;
        this.#end(() => resolve(null));
      });
    });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Resolves with the match once the standard output has it; fails when the child ends first or at `limitMs`. */
  async waitForOutput(pattern: RegExp, limitMs: number): Promise<RegExpMatchArray> {
    return await new Promise((resolve, reject) => {
      const finish = (settle: () => void) => {
        clearTimeout(timer);
        this.#onOutput.delete(look);
        settle();
      };
      const look = () => {
        const match = this.stdout.match(pattern);
        if (match !== null) finish(() => resolve(match));
        else if (this.#ended) finish(() => reject(this.failure(`ended before it printed ${pattern}`)));
      };
      const timer = setTimeout(
        () => finish(() => reject(this.failure(`did not print ${pattern} within ${limitMs} ms`))),
        limitMs,
      );
      this.#onOutput.add(look);
      look();
    });
  }

  tell(line: string): void {
    this.#process.stdin!.write(`${line}\n`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** SIGTERM, and SIGKILL when that did not help; returns when the process is gone. */
  async stop(limitMs: number = TERMINATE_MS): Promise<void> {
    if (this.#ended) return;
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), limitMs);
    await this.exited;
    clearTimeout(timer);
  }

  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
  }

  failure(what: string): Error {
    const tail = [this.stdout, this.stderr].map((text) => text.slice(-4000).trim()).filter((text) => text !== '');
    return new Error(`${this.command.name} ${what}\n${tail.join('\n--- standard error:\n')}`);
  }

  #end(settle: () => void): void {
    this.#ended = true;
    living.delete(this.#process);
    settle();
    this.#changed();
  }

  #changed(): void {
    for (const look of this.#onOutput) look();
  }
}

/** Runs a program to its end. A program still running at `limitMs` is killed and the call fails. */
export async function run(command: Command, limitMs: number): Promise<Output> {
  const child = new Child(command, PROGRAM_OUTPUT_BYTES);
  return await finish(child, limitMs);
}

export async function finish(child: Child, limitMs: number): Promise<Output> {
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.signal('SIGKILL');
  }, limitMs);
  const code = await child.exited;
  clearTimeout(timer);
  if (late) throw child.failure(`was still running after ${limitMs} ms and was killed`);
  return { code, stdout: child.stdout, stderr: child.stderr };
}

export function startProgram(command: Command): Child {
  return new Child(command, PROGRAM_OUTPUT_BYTES);
}

/**
 * Looks every 50 ms until `look` gives something; `undefined` and an exception (a refused connection) mean "not yet".
 * Fails at `limitMs`, or at once when the `child` that it waits for has ended.
 */
export async function until<T>(
  what: string,
  limitMs: number,
  look: () => Promise<T | undefined>,
  child?: Child,
): Promise<T> {
  const deadline = Date.now() + limitMs;
  let last: unknown = 'nothing yet';
  while (Date.now() < deadline) {
    if (child?.hasEnded) throw child.failure(`ended before this: ${what}`);
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const message = `${what}: not within ${limitMs} ms (last: ${String(last)})`;
  throw child === undefined ? new Error(message) : child.failure(message);
}
