/**
 * Rules that a compiler does not check: who may import whom, actors that touch nothing impure, tests that really run,
 * exact dependency versions. Each failure names the file and the line.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { repositoryRoot } from './support/repository.js';

const root = repositoryRoot();

/** What each part of src/ may import besides itself: the arrows of docs/architecture.md, row by row. */
const MAY_IMPORT: Readonly<Record<string, readonly string[] | 'anything'>> = {
  cli: 'anything',
  commands: 'anything',
  'store-commands': ['base', 'message', 'store', 'runtime', 'config'],
  index: ['base', 'config', 'cluster', 'test-cluster'],
  'test-cluster': ['base', 'config', 'cluster'],
  cluster: [
    'actors',
    'base',
    'message',
    'store',
    'runtime',
    'jobs',
    'config',
    'metrics',
    'plan',
    'unit-plans',
    'stores',
  ],
  'unit-plans': ['actors', 'base', 'store', 'runtime', 'config', 'plan'],
  plan: ['base', 'runtime', 'config'],
  stores: ['base', 'store', 'runtime', 'jobs', 'config', 'memory-stores'],
  'memory-stores': ['base', 'runtime', 'config'],
  version: ['base'],
  base: [],
  message: ['base'],
  remoting: ['base', 'message'],
  store: ['base', 'message'],
  filter: ['base', 'message'],
  runtime: ['base'],
  actors: ['base', 'message', 'remoting', 'store', 'filter', 'runtime', 'config', 'metrics'],
  jobs: ['base', 'message', 'store', 'runtime'],
  client: ['base', 'message', 'remoting'],
  admin: ['base', 'message', 'client', 'remoting'],
  bench: ['base', 'message', 'client', 'remoting'],
  console: ['base', 'message', 'admin', 'client'],
  config: ['base'],
  metrics: ['base'],
};

/** Everything impure comes to these from their context, so that the simulation can replay them. */
const PURE = ['src/actors/', 'src/store/', 'src/remoting/', 'src/message/', 'src/filter/'];
const PURE_NODE_MODULES = ['node:buffer', 'node:crypto', 'node:path', 'node:util', 'node:zlib'];
const IMPURE: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b|\bnew Date\(\)|\bDate\(\)/, 'the clock'],
  [/\bperformance\.now\b|\bhrtime\b/, 'the monotonic clock'],
  [/\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/, 'a timer'],
  [/\bMath\.random\b|\brandom(Bytes|UUID|Int|FillSync)\b|\bgetRandomValues\b/, 'randomness'],
  [/(?<![.\w])process\./, 'the process'],
  [/\bAtomics\.wait(Async)?\b/, 'a wait'],
];
/** Serve /metrics and /healthz with Node's own HTTP server, beside the actor: no message passes through them. */
const HTTP_FILES = ['src/actors/front/http.ts', 'src/actors/front/exposition.ts'];

interface Source {
  readonly path: string;
  /** Comments blanked out, lines kept. */
  readonly code: string;
}

interface Import {
  readonly from: string;
  readonly line: number;
}

const LITERALS = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
const IMPORT = /(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])([^'"]+)\1/g;

function withoutComments(text: string): string {
  return text.replace(LITERALS, (literal) => (literal.startsWith('/') ? literal.replace(/[^\n]/g, ' ') : literal));
}

function withoutStrings(code: string): string {
  return code.replace(LITERALS, (literal) => (/^['"]/.test(literal) ? ' '.repeat(literal.length) : literal));
}

function sourcesIn(directory: string): Source[] {
  return readdirSync(join(root, directory), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .sort()
    .map((path) => ({
      path: `${directory}/${path}`,
      code: withoutComments(readFileSync(join(root, directory, path), 'utf8')),
    }));
}

function lineOf(code: string, index: number): number {
  return code.slice(0, index).split('\n').length;
}

function importsOf({ code }: Source): Import[] {
  return [...code.matchAll(IMPORT)].map((match) => ({ from: match[2]!, line: lineOf(code, match.index) }));
}

/** 'src/actors/front/http.ts' -> 'actors', 'src/cli.ts' -> 'cli', 'config/schema.ts' -> 'config'. */
function partOf(path: string): string {
  const [top, next] = path.split('/');
  return (top === 'src' ? next! : top!).replace(/\.[jt]s$/, '');
}

/** Why this import is against the rule, or undefined. */
function brokenImport(path: string, from: string): string | undefined {
  const part = partOf(path);
  const allowed = MAY_IMPORT[part];
  if (allowed === undefined) return `src/${part} is not in the table of test/tidy.test.ts`;
  if (!from.startsWith('.')) {
    return part === 'base' && !from.startsWith('node:') ? `base imports node:* only, not ${from}` : undefined;
  }
  if (!from.endsWith('.js')) return `${from} must end in .js`;
  const target = normalize(join(dirname(path), from));
  if (!/^(src|config|metrics)\//.test(target)) return `${target} is not part of the product`;
  const targetPart = partOf(target);
  if (targetPart === part || allowed === 'anything' || allowed.includes(targetPart)) return undefined;
  return `${part} may import ${allowed.join(', ') || 'nothing'}, not ${targetPart}`;
}

/** node:net has functions that only look at a text. */
const PURE_IMPORT = /import \{( isIP(v[46])?,?)+ \} from 'node:net'/g;

/** Where this code is impure. */
function impurities(path: string, code: string): string[] {
  if (HTTP_FILES.includes(path)) return [];
  const found: string[] = [];
  for (const { from, line } of importsOf({ path, code: code.replace(PURE_IMPORT, '') })) {
    if (!from.startsWith('node:') || PURE_NODE_MODULES.includes(from)) continue;
    found.push(`${path}:${line} imports ${from}`);
  }
  const bare = withoutStrings(code);
  for (const [pattern, what] of IMPURE) {
    for (const match of bare.matchAll(new RegExp(pattern, 'g'))) {
      found.push(`${path}:${lineOf(bare, match.index)} uses ${what} itself (${match[0]})`);
    }
  }
  return found;
}

/** Why this test file would pass without running all its tests. */
function silentSuites(path: string, text: string): string[] {
  const code = withoutStrings(text);
  const suites = [...code.matchAll(/\bconst (\w+) = suite\(/g)].map((match) => match[1]!);
  const found = suites.filter((name) => !code.includes(`${name}.run()`)).map((name) => `${path}: no ${name}.run()`);
  if (suites.length === 0 && !code.includes('.run()')) found.push(`${path}: runs no suite`);
  if (/\w\.only\(/.test(code)) found.push(`${path}: .only() hides the other tests`);
  return found;
}

const product = [...sourcesIn('src'), ...sourcesIn('config'), ...sourcesIn('metrics')];
const tests = sourcesIn('test').filter(({ path }) => path.endsWith('.test.ts'));

const imports = suite('tidy: imports');

imports('point down, as the table in style.md says', () => {
  const broken = product.flatMap((source) =>
    importsOf(source).flatMap(({ from, line }) => {
      const why = brokenImport(source.path, from);
      return why === undefined ? [] : [`${source.path}:${line}: ${why}`];
    }),
  );
  assert.equal(broken, []);
});

imports('are seen by the check in all their forms', () => {
  const source = {
    path: 'src/runtime/x.ts',
    code: withoutComments(`import { a } from '../store/a.js';
    import type { B,
      C } from "../actors/b.js"; // from './comment.js'
    export * from '../client/c.js'; import '../message/d.js';
    /* import '../gone.js' */ const late = await import('../remoting/e.js');`),
  };
  const found = importsOf(source);
  assert.equal(
    found.map(({ from, line }) => `${line} ${from}`),
    ['1 ../store/a.js', '3 ../actors/b.js', '4 ../client/c.js', '4 ../message/d.js', '5 ../remoting/e.js'],
  );
  for (const { from } of found) assert.match(brokenImport(source.path, from)!, /^runtime may import base, not/);
  assert.is(brokenImport('src/base/x.ts', 'pino'), 'base imports node:* only, not pino');
  assert.is(brokenImport('src/actors/a/x.ts', '../../../config/schema.js'), undefined);
  assert.is(brokenImport('src/actors/a/x.ts', '../../../test/x.js'), 'test/x.js is not part of the product');
  assert.is(brokenImport('src/new/x.ts', '../base/units.js'), 'src/new is not in the table of test/tidy.test.ts');
});

imports.run();

const purity = suite('tidy: actors get the outside world from their context');

purity('nothing in actors, store, remoting and message reads clocks, timers, randomness, files or sockets', () => {
  const found = product
    .filter(({ path }) => PURE.some((folder) => path.startsWith(folder)))
    .flatMap(({ path, code }) => impurities(path, code));
  assert.equal(found, []);
});

purity('is seen by the check', () => {
  const code = `import fs from 'node:fs';\nconst a = Date.now();\nsetTimeout(f, 1); log('process.exit');\nMath.random();
    process.exit(1); this.process.next(); new Date(5); const text = 'Date.now'; import { crc32 } from 'node:zlib';
    import { isIP } from 'node:net';`;
  assert.equal(impurities('src/store/x.ts', code), [
    'src/store/x.ts:1 imports node:fs',
    'src/store/x.ts:2 uses the clock itself (Date.now)',
    'src/store/x.ts:3 uses a timer itself (setTimeout)',
    'src/store/x.ts:4 uses randomness itself (Math.random)',
    'src/store/x.ts:5 uses the process itself (process.)',
  ]);
});

purity.run();

const testFiles = suite('tidy: test files');

testFiles('run every suite that they make', () => {
  assert.ok(tests.length > 0);
  assert.equal(
    tests.flatMap(({ path, code }) => silentSuites(path, code)),
    [],
  );
});

testFiles('that forget it are seen by the check', () => {
  const forgets = "const one = suite('one');\nconst two = suite('two');\none.run();";
  assert.equal(silentSuites('a', forgets), ['a: no two.run()']);
  assert.equal(silentSuites('b', ''), ['b: runs no suite']);
  // In two pieces, or this file would be found.
  const hides = `const it = suite('x');\nit${'.only'}('y', f);\nit.run();`;
  assert.equal(silentSuites('c', hides), ['c: .only() hides the other tests']);
});

testFiles.run();

const versions = suite('tidy: package.json');

versions('pins every dependency to one version, the one in package-lock.json', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const wanted = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
  assert.ok(wanted.length > 0);
  for (const [name, version] of wanted) {
    assert.match(String(version), /^\d+\.\d+\.\d+(-[\w.]+)?$/, name);
    assert.is(lock.packages[`node_modules/${name}`]?.version, version, name);
  }
});

versions.run();
