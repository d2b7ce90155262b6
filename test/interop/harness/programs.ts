/**
 * The foreign clients as the tests see them: programs that take key=value arguments and print lines "event key=value ...".
 * Java, Go and C++ come from test/interop/java, go and cpp, ali-ons from test/interop/ali-ons-program.ts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cppTools, goTools, JAVA_FLAGS, javaTools, SHORT_LIVED_FLAGS } from '../../support/apache-toolchain.js';
import { type Child, type Command, finish, startProgram } from './process.js';

const READY_MS = 30_000;
/** Every program has a limit of its own (timeoutMs, 30 s by default); this is for one that hangs. */
const PROGRAM_MS = 90_000;

export type Arguments = Readonly<Record<string, string | number | boolean>>;
export type Line = Readonly<Record<string, string>>;

/** What a program printed. */
export class Report {
  readonly #lines: readonly (readonly [event: string, line: Line])[];

  constructor(output: string) {
    this.#lines = output
      .split('\n')
      .filter((text) => /^[a-z]+( |$)/.test(text))
      .map(parseLine);
  }

  of(event: string): Line[] {
    return this.#lines.filter(([name]) => name === event).map(([, line]) => line);
  }

  /** The ids of one kind of event, in the order of the lines. */
  ids(event: string): string[] {
    return this.of(event).map((line) => line.id!);
  }

  get done(): Line {
    const [line] = this.of('done');
    if (line === undefined) throw new Error('the program printed no "done" line');
    return line;
  }
}

function parseLine(text: string): readonly [string, Line] {
  const [event, ...pairs] = text.trim().split(' ') as [string, ...string[]];
  const line: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    line[pair.slice(0, equals)] = decodeURIComponent(pair.slice(equals + 1));
  }
  return [event, line];
}

/** A program under way. */
export class Running {
  constructor(
    readonly child: Child,
    readonly cleanUp: () => void,
  ) {}

  /** Waits for the line that says that a consumer has started. */
  async ready(): Promise<this> {
    await this.child.waitForOutput(/^ready/m, READY_MS);
    return this;
  }

  async report(): Promise<Report> {
    try {
      const output = await finish(this.child, PROGRAM_MS);
      if (output.code !== 0) throw this.child.failure(`ended with ${output.code}`);
      return new Report(output.stdout);
    } finally {
      this.cleanUp();
    }
  }
}

export interface Client {
  readonly name: string;
  /** In a home directory of its own, unless the caller keeps one. */
  start(command: string, options: Arguments, home?: string): Running;
  run(command: string, options: Arguments): Promise<Report>;
}

export type FoundClient = { readonly client: Client; readonly missing?: undefined } | { readonly missing: string };

export async function javaClient(): Promise<FoundClient> {
  const found = await javaTools();
  if (found.missing !== undefined) return found;
  const { java, clientClassPath } = found.tools;
  const command = (home: string): Command => ({
    name: 'Java client',
    file: java,
    args: [...SHORT_LIVED_FLAGS, ...JAVA_FLAGS, `-Duser.home=${home}`, '-cp', clientClassPath, 'interop.Main'],
  });
  return { client: programs(command) };
}

/** interop.Basic with the client of another version: 4.4.0 or 5.5.0. */
export async function javaClientOf(version: '4.4.0' | '5.5.0'): Promise<FoundClient> {
  const found = await javaTools();
  if (found.missing !== undefined) return found;
  const { java, oldClientClassPath, newClientClassPath } = found.tools;
  const classPath = version === '4.4.0' ? oldClientClassPath : newClientClassPath;
  return {
    client: programs((home) => ({
      name: `Java client ${version}`,
      file: java,
      args: [...SHORT_LIVED_FLAGS, ...JAVA_FLAGS, `-Duser.home=${home}`, '-cp', classPath, 'interop.Basic'],
    })),
  };
}

export async function goClient(): Promise<FoundClient> {
  const found = await goTools();
  if (found.missing !== undefined) return found;
  return {
    client: programs((home) => ({
      name: 'Go client',
      file: found.tools.client,
      args: [],
      env: { ...process.env, HOME: home },
    })),
  };
}

/** The C++ client core. */
export async function cppClient(): Promise<FoundClient> {
  const found = await cppTools();
  if (found.missing !== undefined) return found;
  const { python, program, packages } = found.tools;
  return {
    client: programs((home) => ({
      name: 'C++ client',
      file: python,
      args: [program],
      env: { ...process.env, HOME: home, PYTHONPATH: packages },
    })),
  };
}

export function aliOnsClient(): Client {
  const program = join(import.meta.dirname, '..', 'ali-ons-program.js');
  return programs((home) => ({
    name: 'ali-ons',
    file: process.execPath,
    args: [program],
    env: { ...process.env, HOME: home },
  }));
}

/** Clients keep logs and broadcast offsets in the home directory: each run gets one of its own. */
function programs(commandIn: (home: string) => Command): Client {
  const start = (command: string, options: Arguments, kept?: string): Running => {
    const home = kept ?? mkdtempSync(join(tmpdir(), 'hangar-client-'));
    const base = commandIn(home);
    const pairs = Object.entries(options).map(([key, value]) => `${key}=${value}`);
    const child = startProgram({
      ...base,
      name: `${base.name} ${command} ${pairs.join(' ')}`,
      args: [...base.args, command, ...pairs],
    });
    return new Running(child, () => {
      if (kept === undefined) rmSync(home, { recursive: true, force: true });
    });
  };
  return { name: commandIn('').name, start, run: (command, options) => start(command, options).report() };
}
