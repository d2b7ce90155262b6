/**
 * Runs the compiled tests: `node dist/test/run.js [path or part of a name ...]`.
 *
 * Every *.test.js beside this file gets a Node.js process of its own, two at a time; what needs the machine for itself
 * (interop, stress, the load generator) runs alone afterwards. uvu is quiet in cases that must not pass, so they are
 * failures here: a file that runs no test, a suite whose `before` threw (fewer tests passed than there are), a file
 * that ends before its totals, and one that does not end (it and its children are killed).
 *
 * A test that cannot run on this machine prints `SKIPPED, because ...`; such lines are printed again at the end. The
 * last line is `N passed, N failed`, with `, N skipped` when there are any; the exit code says the same.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { repositoryRoot } from './support/repository.js';

const AT_A_TIME = 2;
/** For one file. HANGAR_TEST_LIMIT_SECONDS replaces them, on a slow machine for instance. */
const LIMIT_SECONDS = 300;
const INTEROP_LIMIT_SECONDS = 400;
/** Between SIGTERM, on which servers and temporary directories are cleaned up, and SIGKILL. */
const GRACE_MS = 3000;
/** What is kept of a file's output; a failing test has no use for more. */
const OUTPUT_LIMIT = 8 * 1024 * 1024;

interface Outcome {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly seconds: number;
  readonly output: string;
  /** Failures that uvu does not tell. */
  readonly problems: readonly string[];
  readonly skips: readonly string[];
}

/** `name` is the source's path in the repository; `file` the compiled test. */
interface TestFile {
  readonly name: string;
  readonly file: string;
}

/** Each leads its own process group, so that a test's children go with it. */
const running = new Set<ChildProcess>();

function findTests(filters: readonly string[]): TestFile[] {
  const compiled = import.meta.dirname;
  const repository = repositoryRoot();
  const found: TestFile[] = [];
  for (const path of readdirSync(compiled, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!path.endsWith('.test.js')) continue;
    const name = join('test', path.replace(/\.js$/, '.ts'));
    // tsc leaves the output of removed sources behind.
    if (!existsSync(join(repository, name))) continue;
    if (filters.length === 0 || filters.some((filter) => name.includes(sourceName(filter)))) {
      found.push({ name, file: join(compiled, path) });
    }
  }
  return found;
}

/** Accepts dist/test/x.test.js, ./test/x.test.ts, an absolute path, or any part of a name. */
function sourceName(filter: string): string {
  const inRepository = filter.startsWith('/') ? relative(repositoryRoot(), filter) : filter;
  return inRepository
    .replace(/^\.\//, '')
    .replace(/^dist\//, '')
    .replace(/\.js$/, '.ts');
}

function needsTheMachine(name: string): boolean {
  return ['test/interop/', 'test/stress/', 'test/bench/'].some((folder) => name.startsWith(folder));
}

async function runAll(tests: readonly TestFile[], atATime: number): Promise<Outcome[]> {
  const waiting = [...tests];
  const outcomes: Outcome[] = [];
  const lane = async (): Promise<void> => {
    for (let test = waiting.shift(); test !== undefined; test = waiting.shift()) {
      const outcome = await runFile(test);
      outcomes.push(outcome);
      tell(outcome);
    }
  };
  await Promise.all(Array.from({ length: atATime }, lane));
  return outcomes;
}

function runFile({ name, file }: TestFile): Promise<Outcome> {
  const startedMs = performance.now();
  const ownLimit = name.startsWith('test/interop/') ? INTEROP_LIMIT_SECONDS : LIMIT_SECONDS;
  const limitSeconds = Number(process.env.HANGAR_TEST_LIMIT_SECONDS ?? ownLimit);
  const { FORCE_COLOR: _, ...env } = process.env;
  const child = spawn(process.execPath, ['--enable-source-maps', file], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...env, NO_COLOR: '1' },
  });
  running.add(child);
  let output = '';
  const keep = (text: string): void => {
    output = (output + text).slice(-OUTPUT_LIMIT);
  };
  child.stdout.setEncoding('utf8').on('data', keep);
  child.stderr.setEncoding('utf8').on('data', keep);

  const problems: string[] = [];
  let killTimer: NodeJS.Timeout | undefined;
  const limitTimer = setTimeout(() => {
    problems.push(`still running after ${limitSeconds} s: killed`);
    signalGroup(child, 'SIGTERM');
    killTimer = setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS);
  }, limitSeconds * 1000);

  return new Promise((resolve) => {
    child.once('error', (error) => problems.push(`cannot be started: ${error.message}`));
    // What a test left running would keep its output open, and us waiting for it.
    child.once('exit', () => signalGroup(child, 'SIGKILL'));
    child.once('close', (code, signal) => {
      clearTimeout(limitTimer);
      clearTimeout(killTimer);
      running.delete(child);
      const seconds = (performance.now() - startedMs) / 1000;
      resolve(judge(name, output, code === 0 ? 'ok' : (signal ?? `exit code ${code}`), seconds, problems));
    });
  });
}

function judge(name: string, output: string, end: string, seconds: number, problems: string[]): Outcome {
  const skips = output.split('\n').filter((line) => line.startsWith('SKIPPED, because'));
  const totals = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)$/m.exec(output);
  const [total, passed, uvuSkipped] = totals === null ? [0, 0, 0] : totals.slice(1).map(Number);
  const skipped = Math.max(uvuSkipped!, skips.length);
  if (problems.length === 0) {
    if (end !== 'ok' && passed === total)
      problems.push(`ended with ${end}${totals === null ? ' before its totals' : ''}`);
    else if (total === 0 && skipped === 0) problems.push('ran no test: is there a .run() for each suite?');
  }
  const failed = total! - passed! + problems.length;
  if (end === 'ok' && passed! < total!) problems.push('a hook of a suite threw, and its tests did not run');
  return { name, passed: passed!, failed, skipped, seconds, output, problems, skips };
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function tell(outcome: Outcome): void {
  const { name, passed, failed, skipped, seconds } = outcome;
  const counts = [`${passed} passed`];
  if (failed > 0) counts.push(`${failed} failed`);
  if (skipped > 0) counts.push(`${skipped} skipped`);
  const line = `${failed > 0 ? 'FAIL' : 'ok  '}  ${name}  ${counts.join(', ')}  (${seconds.toFixed(1)} s)`;
  if (failed === 0) {
    process.stdout.write(`${line}\n`);
    return;
  }
  const problems = outcome.problems.map((problem) => `      ${problem}\n`).join('');
  process.stdout.write(`\n${line}\n${problems}${outcome.output.trimEnd()}\n---- end of ${name}\n\n`);
}

async function main(filters: readonly string[]): Promise<void> {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    process.once(signal, () => {
      for (const child of running) signalGroup(child, 'SIGTERM');
      process.exit(code);
    });
  }
  const tests = findTests(filters);
  const together = await runAll(
    tests.filter(({ name }) => !needsTheMachine(name)),
    AT_A_TIME,
  );
  const alone = await runAll(
    tests.filter(({ name }) => needsTheMachine(name)),
    1,
  );
  const outcomes = [...together, ...alone];

  const sum = (count: (outcome: Outcome) => number): number => outcomes.reduce((all, one) => all + count(one), 0);
  const skips = outcomes.flatMap(({ name, skips }) => skips.map((line) => `${line} (${name})`));
  if (skips.length > 0) process.stdout.write(`\n${skips.length} SKIPPED on this machine:\n${skips.join('\n')}\n`);
  const failing = outcomes.filter(({ failed }) => failed > 0);
  if (failing.length > 0) process.stdout.write(`\nFailing files:\n${failing.map(({ name }) => name).join('\n')}\n`);
  if (tests.length === 0) process.stdout.write(`no test file matches ${filters.join(' ')}\n`);

  const failed = tests.length === 0 ? 1 : sum((one) => one.failed);
  const skipped = sum((one) => one.skipped);
  const totals = `${sum((one) => one.passed)} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  process.exitCode = failed > 0 ? 1 : 0;
  process.stdout.write(`\n${totals}\n`);
}

await main(process.argv.slice(2));
