/** The test runner against small packages of its own: what uvu lets pass in silence must be counted as failed. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { repositoryRoot } from './support/repository.js';

const HEAD = "import { suite } from 'uvu'; import * as assert from 'uvu/assert'; const it = suite('it');\n";
const PASSING = `${HEAD}it('holds', () => assert.ok(true)); it.run();`;

let directory = '';

interface Run {
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly lastLine: string;
}

/** Makes a package of compiled test files (path below test/, without .test.js -> content) and runs this runner in it. */
function run(
  files: Readonly<Record<string, string>>,
  filters: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Run {
  const compiled = join(directory, 'dist', 'test');
  mkdirSync(compiled, { recursive: true });
  writeFileSync(join(directory, 'package.json'), '{"type": "module"}');
  writeFileSync(join(directory, 'tsconfig.json'), '{}');
  symlinkSync(join(repositoryRoot(), 'node_modules'), join(directory, 'node_modules'));
  mkdirSync(join(compiled, 'support'));
  for (const name of ['run.js', 'support/repository.js']) {
    copyFileSync(join(import.meta.dirname, name), join(compiled, name));
  }
  for (const [name, content] of Object.entries(files)) {
    write(join(compiled, `${name}.test.js`), content);
    write(join(directory, 'test', `${name}.test.ts`), '');
  }
  const { status, stdout } = spawnSync(process.execPath, [join(compiled, 'run.js'), ...filters], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  const lines = stdout.trimEnd().split('\n');
  return { code: status, lines, lastLine: lines.at(-1)! };
}

function write(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

const runner = suite('test runner');
runner.before.each(() => {
  directory = mkdtempSync(join(tmpdir(), 'hangar-runner-'));
});
runner.after.each(() => rmSync(directory, { recursive: true, force: true }));

runner('adds up what the files passed and exits with 0', () => {
  const { code, lastLine } = run({ 'a/one': PASSING, two: `${HEAD}it('x', () => {}); it('y', () => {}); it.run();` });
  assert.is(lastLine, '3 passed, 0 failed');
  assert.is(code, 0);
});

runner('counts a failing test, prints the whole output of its file and exits with 1', () => {
  const failing = `${HEAD}it('holds', () => {}); it('breaks', () => assert.is(1, 2, 'one is two')); it.run();`;
  const { code, lines, lastLine } = run({ failing, passing: PASSING });
  assert.is(lastLine, '2 passed, 1 failed');
  assert.is(code, 1);
  assert.ok(lines.some((line) => line.includes('one is two')));
  assert.ok(lines.includes('test/failing.test.ts'));
});

runner('fails a file without .run(), one without tests, and one whose suite.before throws', () => {
  const { lastLine, code } = run({
    silent: `${HEAD}it('holds', () => {});`,
    empty: `${HEAD}it.run();`,
    hook: `${HEAD}it.before(() => { throw new Error('no server'); }); it('a', () => {}); it('b', () => {}); it.run();`,
    passing: PASSING,
  });
  assert.is(lastLine, '1 passed, 4 failed');
  assert.is(code, 1);
});

runner('fails a file that throws before its tests or ends in the middle of them', () => {
  const { lastLine, lines } = run({
    throws: "throw new Error('broken import');",
    leaves: `${HEAD}it('never ends', () => new Promise(() => {})); it.run();`,
    exits: `${HEAD}it('holds', () => {}); it.run(); process.on('exit', () => { process.exitCode = 7; });`,
  });
  assert.is(lastLine, '1 passed, 3 failed');
  assert.ok(lines.some((line) => line.includes('ended with exit code 7')));
});

runner('kills a file that does not end', () => {
  const hangs = `${HEAD}it('holds', () => { setInterval(() => {}, 1000); }); it.run();`;
  const { lastLine, lines } = run({ hangs, passing: PASSING }, [], { HANGAR_TEST_LIMIT_SECONDS: '1' });
  assert.is(lastLine, '2 passed, 1 failed');
  assert.ok(lines.some((line) => line.includes('still running after 1 s: killed')));
});

runner('repeats what was skipped, with its reason, at the end', () => {
  const { lastLine, lines, code } = run({
    skips: `console.log('SKIPPED, because no java on the PATH');`,
    partly: `${HEAD}it('holds', () => {}); it.skip('x'); it.skip('y'); it.run();`,
  });
  assert.is(lastLine, '1 passed, 0 failed, 3 skipped');
  assert.is(code, 0);
  assert.ok(lines.includes('1 SKIPPED on this machine:'));
  assert.ok(lines.includes('SKIPPED, because no java on the PATH (test/skips.test.ts)'));
});

runner('runs what the filters name, by source path or part of it, and fails when that is nothing', () => {
  const files = { 'a/one': PASSING, 'b/two': PASSING };
  assert.is(run(files, ['./test/a/one.test.ts']).lastLine, '1 passed, 0 failed');
});

runner('fails when the filters match nothing', () => {
  const { lastLine, code } = run({ one: PASSING }, ['nothing-like-it']);
  assert.is(lastLine, '0 passed, 1 failed');
  assert.is(code, 1);
});

runner('leaves out what is compiled but has no source any more', () => {
  const compiled = join(directory, 'dist', 'test', 'removed.test.js');
  write(compiled, PASSING);
  assert.is(run({ one: PASSING }).lastLine, '1 passed, 0 failed');
});

runner('kills what a file leaves running', () => {
  const leak = `import { spawn } from 'node:child_process';
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
    child.unref(); console.log('child ' + child.pid);\n${PASSING.replace('assert.ok(true)', 'assert.ok(false)')}`;
  const { lines, lastLine } = run({ leak });
  assert.is(lastLine, '0 passed, 1 failed');
  const pid = Number(/child (\d+)/.exec(lines.join('\n'))?.[1]);
  assert.ok(pid > 0);
  // A zombie is dead too: nobody may have reaped it yet.
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  assert.match(stdout.trim(), /^(Z.*)?$/);
});

runner.run();
