/**
 * Finds Java, Maven and Go, builds the programs of test/interop/java, go and cpp once per machine, and knows
 * the class paths. What is missing is a sentence that the tests print when they skip.
 *
 * Builds live in $HANGAR_INTEROP_CACHE, or else in ~/.cache/hangar-interop, under a hash of their sources.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { type Output, run } from '../interop/harness/process.js';

/** The first build on a machine downloads about 60 MB of artifacts; under the limit that the test runner gives a file. */
const BUILD_MS = 200_000;
const LOWEST_JAVA = 17;
const CPP_WHEEL = '0.4.4';
const MODULES = ['client', 'client-4.4', 'client-5', 'apache'] as const;
const BUILDS_KEPT = 5;

export const JAVA_FLAGS = [
  '--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED',
  '--add-opens=java.base/java.nio=ALL-UNNAMED',
  '--add-opens=java.base/sun.nio.ch=ALL-UNNAMED',
  '--add-opens=java.base/java.lang=ALL-UNNAMED',
];

/** Short-lived JVMs: the first compiler and one collector thread start fastest. */
export const SHORT_LIVED_FLAGS = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto', '-Xms32m', '-Xmx256m'];

export interface JavaTools {
  readonly java: string;
  /** Class path of the programs in test/interop/java/client. */
  readonly clientClassPath: string;
  /** Of interop.Basic with the client of 4.4.0, and of 5.5.0. */
  readonly oldClientClassPath: string;
  readonly newClientClassPath: string;
  /** Class path of Apache's name server, broker and mqadmin. */
  readonly serverClassPath: string;
}

export interface GoTools {
  /** The built program of test/interop/go. */
  readonly client: string;
}

export interface CppTools {
  readonly python: string;
  /** test/interop/cpp/client.py, and the directory with the wheel that it imports. */
  readonly program: string;
  readonly packages: string;
}

/** Either what is needed or the reason why it is not there. */
export type Found<T> = { readonly tools: T; readonly missing?: undefined } | { readonly missing: string };

let java: Promise<Found<JavaTools>> | undefined;
let go: Promise<Found<GoTools>> | undefined;
let cpp: Promise<Found<CppTools>> | undefined;

export function javaTools(): Promise<Found<JavaTools>> {
  java ??= findJava();
  return java;
}

export function goTools(): Promise<Found<GoTools>> {
  go ??= findGo();
  return go;
}

export function cppTools(): Promise<Found<CppTools>> {
  cpp ??= findCpp();
  return cpp;
}

async function findJava(): Promise<Found<JavaTools>> {
  const executable = process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', 'java') : onPath('java');
  if (executable === undefined) return { missing: 'no java on the PATH and no JAVA_HOME' };
  const version = Number(/version "(\d+)/.exec(spawnSync(executable, ['-version'], { encoding: 'utf8' }).stderr)?.[1]);
  if (!(version >= LOWEST_JAVA)) return { missing: `${executable} is not JDK ${LOWEST_JAVA} or newer` };
  const mvn = onPath('mvn');
  if (mvn === undefined) return { missing: 'no mvn on the PATH' };

  const built = await buildOnce('java', isUsableJava, async (directory) => {
    const goals = ['-q', '-B', 'compile', 'dependency:build-classpath', '-Dmdep.outputFile=target/classpath'];
    // Offline first: with a filled local repository it needs no network and saves the update checks.
    const offline = await run({ name: 'mvn -o', file: mvn, args: ['-o', ...goals], cwd: directory }, BUILD_MS);
    if (offline.code === 0) return offline;
    return await run({ name: 'mvn', file: mvn, args: goals, cwd: directory }, BUILD_MS);
  });
  if ('missing' in built) return built;
  return {
    tools: {
      java: executable,
      clientClassPath: classPath(built.directory, 'client'),
      oldClientClassPath: classPath(built.directory, 'client-4.4'),
      newClientClassPath: classPath(built.directory, 'client-5'),
      serverClassPath: classPath(built.directory, 'apache'),
    },
  };
}

async function findGo(): Promise<Found<GoTools>> {
  const executable = onPath('go');
  if (executable === undefined) return { missing: 'no go on the PATH' };
  const usable = (directory: string) => existsSync(join(directory, 'go-client'));
  const built = await buildOnce('go', usable, (directory) =>
    run({ name: 'go build', file: executable, args: ['build', '-o', 'go-client', '.'], cwd: directory }, BUILD_MS),
  );
  if ('missing' in built) return built;
  return { tools: { client: join(built.directory, 'go-client') } };
}

/** The C++ client's library is in a Python wheel, for Linux on x86-64 and macOS. */
async function findCpp(): Promise<Found<CppTools>> {
  const python = onPath('python3');
  if (python === undefined) return { missing: 'no python3 on the PATH' };
  const usable = (directory: string) => existsSync(join(directory, 'packages/rocketmq/client.py'));
  const built = await buildOnce('cpp', usable, (directory) => {
    const args = ['-m', 'pip', 'install', '-q', '--no-deps', '--target', 'packages', `rocketmq==${CPP_WHEEL}`];
    return run({ name: 'pip install', file: python, args, cwd: directory }, BUILD_MS);
  });
  if ('missing' in built) return built;
  const { directory } = built;
  return { tools: { python, program: join(directory, 'client.py'), packages: join(directory, 'packages') } };
}

/**
 * Copies test/interop/<kind> beside its final place, builds it there and renames it: several test files may do so at the
 * same time, and the first one wins. Artifacts that cannot be had (no network) are a reason to skip, a build that fails
 * otherwise is an error.
 */
async function buildOnce(
  kind: 'java' | 'go' | 'cpp',
  usable: (directory: string) => boolean,
  build: (directory: string) => Promise<Output>,
): Promise<{ directory: string } | { missing: string }> {
  const sources = join(repositoryRoot(), 'test/interop', kind);
  const cache = process.env.HANGAR_INTEROP_CACHE ?? join(homedir(), '.cache', 'hangar-interop');
  const directory = join(cache, `${kind}-${hashOf(sources)}`);
  if (usable(directory)) return { directory };
  mkdirSync(cache, { recursive: true });
  const scratch = mkdtempSync(`${directory}.`);
  try {
    cpSync(sources, scratch, { recursive: true });
    const output = await build(scratch);
    if (output.code !== 0) {
      const said = `${output.stdout}\n${output.stderr}`.trim();
      if (
        /Could not (resolve|transfer)|dial tcp|no such host|: 40[34] |connection refused|i\/o timeout|No (matching distribution|module named pip)/.test(
          said,
        )
      ) {
        return { missing: `the artifacts for test/interop/${kind} cannot be fetched: ${said.split('\n')[0]}` };
      }
      throw new Error(`test/interop/${kind} does not build:\n${said.slice(0, 4000)}`);
    }
    if (!usable(directory)) {
      rmSync(directory, { recursive: true, force: true });
      renameOrYield(scratch, directory);
      forgetOldBuilds(cache, kind);
    }
    return { directory };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Changed sources make a new build; of each kind the newest few stay. */
function forgetOldBuilds(cache: string, kind: string): void {
  const builds = readdirSync(cache)
    .filter((name) => new RegExp(`^${kind}-[0-9a-f]{16}$`).test(name))
    .map((name) => ({ path: join(cache, name), builtMs: statSync(join(cache, name)).mtimeMs }))
    .sort((a, b) => b.builtMs - a.builtMs);
  for (const { path } of builds.slice(BUILDS_KEPT)) rmSync(path, { recursive: true, force: true });
}

/** Another process may have finished the same build between the look and the rename: then its result stands. */
function renameOrYield(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
  }
}

/** The module's classes, then the jars that Maven found for it. */
function classPath(directory: string, module: (typeof MODULES)[number]): string {
  const jars = readFileSync(join(directory, module, 'target/classpath'), 'utf8').trim();
  return [join(directory, module, 'target/classes'), jars].join(delimiter);
}

/** Built, and the local repository still has the artifacts. */
function isUsableJava(directory: string): boolean {
  if (!existsSync(join(directory, 'apache/target/classpath'))) return false;
  return MODULES.every((module) =>
    classPath(directory, module)
      .split(delimiter)
      .every((path) => existsSync(path)),
  );
}

function hashOf(directory: string): string {
  const hash = createHash('sha256');
  for (const path of readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()) {
    if (path.split('/').includes('target') || !/\.(java|xml|go|mod|sum|py)$/.test(path)) continue;
    hash
      .update(path)
      .update('\0')
      .update(readFileSync(join(directory, path)));
  }
  return hash.digest('hex').slice(0, 16);
}

/** The sources of the foreign programs are not in the build directory. */
export function repositoryRoot(): string {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, 'package.json'))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error(`no package.json above ${import.meta.dirname}`);
    directory = parent;
  }
  return directory;
}

function onPath(name: string): string | undefined {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this directory: the next one may have it.
    }
  }
  return undefined;
}
