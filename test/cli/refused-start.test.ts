/** Starts that are refused: one clear line for each reason, exit code 1, and nothing left behind. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../interop/harness/ports.js';
import { properties } from '../interop/harness/servers.js';
import {
  configDirectory,
  masterValues,
  oneBroker,
  runHangar,
  slaveValues,
  stopBy,
  temporaryDirectory,
  up,
} from '../support/hangar-process.js';
import { Code, sendFields, withClient } from '../support/remoting-client.js';
import { within } from '../support/within.js';

/** The start must fail with exactly these lines on standard error. */
async function assertRefused(args: readonly string[], ...lines: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await runHangar(args);
  assert.equal({ code, stdout, said: stderr.trimEnd().split('\n') }, { code: 1, stdout: '', said: lines });
}

const config = suite('hangar up --config: a wrong configuration');

config('every wrong value is named with file, line, key and what is allowed; nothing is touched', async () => {
  const directory = configDirectory({
    'namesrv-a': 'listenPort=98760\n',
    'broker-a': '# a broker\nbrokerName=broker-a\nbrokerRole=MASTER\nlistenPort=10911\nflushDiskType=SOMETIMES\n',
  });
  const store = join(temporaryDirectory(), 'store');
  await assertRefused(
    ['up', '--config', directory, '--ephemeral', '--store', store],
    `hangar: ${join(directory, 'namesrv-a.properties')}:1: listenPort=98760: allowed: a whole number from 0 to 65535`,
    `hangar: ${join(directory, 'broker-a.properties')}:3: brokerRole=MASTER: allowed: ASYNC_MASTER, SYNC_MASTER or SLAVE`,
    `hangar: ${join(directory, 'broker-a.properties')}:5: flushDiskType=SOMETIMES: allowed: ASYNC_FLUSH or SYNC_FLUSH`,
  );
  assert.not.ok(existsSync(store), 'no store was made');
});

config('an unknown key is a warning that names the nearest, and the start goes on', async () => {
  const directory = oneBroker({ flushDiskTyp: 'SYNC_FLUSH' });
  const { child } = await up('--config', directory, '--ephemeral', '--store', temporaryDirectory());
  try {
    assert.match(child.stderr, /^warning: .*broker-a\.properties:\d+: .*flushDiskTyp.*flushDiskType/m);
    assert.is(await stopBy(child, 'SIGTERM'), 0);
  } finally {
    await child.kill();
  }
});

config('a directory that is missing, a file, or without roles', async () => {
  const directory = temporaryDirectory();
  const missing = join(directory, 'missing');
  const file = join(directory, 'file');
  const empty = join(directory, 'empty');
  writeFileSync(file, '');
  mkdirSync(empty);
  await assertRefused(['up', '--config', missing], `hangar: ${missing}: cannot be read: no such file or directory`);
  await assertRefused(['up', '--config', file], `hangar: ${file}: cannot be read: it is not a directory`);
  await assertRefused(
    ['up', '--config', empty],
    `hangar: ${empty}: no role: there is no *.properties file of a name server or a broker`,
  );
});

config('a file that cannot be read', async () => {
  const directory = oneBroker();
  const file = join(directory, 'broker-b.properties');
  mkdirSync(file);
  await assertRefused(['up', '--config', directory], `hangar: ${file}: cannot be read: it is a directory`);
  await assertRefused(['broker', '-c', file], `hangar: ${file}: cannot be read: it is a directory`);
  if (process.getuid?.() === 0) return; // root reads everything
  const secret = join(oneBroker(), 'broker-a.properties');
  chmodSync(secret, 0);
  await assertRefused(['broker', '-c', secret], `hangar: ${secret}: cannot be read: permission denied`);
});

config.run();

const ports = suite('hangar: a port in use');

/** Listens where Hangar wants to. */
async function occupy(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1' }, resolve);
  });
  return server;
}

/** Free ports for a whole topology: the first is the master's, 10 further the name server's, 20 further HTTP's. */
async function placed(): Promise<{ base: number; args: string[]; store: string }> {
  const base = await freePort([-2, 0, 1, 10, 20, 28, 30, 31]);
  const store = temporaryDirectory();
  const directory = configDirectory({
    'namesrv-a': { listenPort: base + 10 },
    'broker-a': masterValues('broker-a', base),
    'broker-b': masterValues('broker-b', base + 30),
    hangar: { metricsPort: base + 20 },
  });
  return { base, args: ['up', '--config', directory, '--store', store], store };
}

const REMEDY =
  'another process listens there (ss -ltnp shows which); stop it, or start with --port-offset N or --ephemeral';

for (const [offset, role, which] of [
  [0, 'broker-a', 'port'],
  [-2, 'broker-a', 'VIP port (port - 2)'],
  [31, 'broker-b', 'HA port (port + 1)'],
  [10, 'namesrv-a', 'port'],
  [20, 'metrics', 'port'],
] as const) {
  ports(`of ${role}: ${which} is named, and nothing is left half-started`, async () => {
    const { base, args, store } = await placed();
    const port = base + offset;
    const occupied = await occupy(port);
    try {
      await assertRefused(args, `hangar: ${role}: ${which} ${port} on 127.0.0.1 cannot be used: ${REMEDY}`);
    } finally {
      occupied.close();
    }
    for (const broker of ['broker-a', 'broker-b']) {
      assert.not.ok(existsSync(join(store, broker, 'abort')), `${broker} does not look like one that crashed`);
    }
    // Nothing holds a port or a lock: the same start succeeds now.
    const { child } = await up(...args.slice(1));
    assert.is(await stopBy(child, 'SIGTERM'), 0);
  });
}

ports('that cannot exist beside another, or at all, is a configuration error', async () => {
  const directory = configDirectory({
    'namesrv-a': { listenPort: 29876 },
    'broker-a': masterValues('broker-a', 29878),
  });
  await assertRefused(
    ['up', '--config', directory, '--store', temporaryDirectory()],
    `hangar: ${directory}: namesrv-a (remoting) and broker-a (VIP) would both listen at 127.0.0.1:29876; change listenPort or metricsPort`,
  );
});

ports.run();

const stores = suite('hangar: a store that cannot be used');

const LOCK_REMEDY = 'stop that one, or choose another place with --store';

stores('is locked by another hangar: the other one goes on, and no other store is emptied', async () => {
  const store = temporaryDirectory();
  const args = ['--config', oneBroker(), '--ephemeral', '--store', store];
  const { child, nameServers } = await up(...args);
  const lock = join(store, 'broker-a', 'lock');
  // A second broker whose store is free, and whose role comes first.
  const both = configDirectory({
    'namesrv-a': { listenPort: 0 },
    'broker-0': masterValues('broker-0', 0),
    'broker-a': masterValues('broker-a', 0),
  });
  const precious = join(store, 'broker-0', 'config', 'topics.json');
  mkdirSync(join(store, 'broker-0', 'config'), { recursive: true });
  writeFileSync(precious, '');
  try {
    const line = `hangar: broker-a: ${join(store, 'broker-a')} is in use by another broker (its lock file ${lock} is locked): ${LOCK_REMEDY}`;
    await assertRefused(['up', ...args], line);
    await assertRefused(['up', '--config', both, '--ephemeral', '--store', store, '--fresh'], line);
    assert.ok(existsSync(precious), '--fresh removed nothing');
    assert.is(nameServers.length, 1);
    assert.is(await stopBy(child, 'SIGTERM'), 0);
  } finally {
    await child.kill();
  }
});

/** Takes the lock as Java's FileChannel.lock does (fcntl, F_SETLK) and says so; holds it until it is killed. */
const JAVA_STYLE_LOCK = `
import fcntl, sys
file = open(sys.argv[1], 'r+')
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
print('locked', flush=True)
sys.stdin.read()
`;

function python(): string | undefined {
  try {
    execFileSync('python3', ['-c', 'import fcntl'], { stdio: 'ignore' });
    return 'python3';
  } catch {
    return undefined;
  }
}

const locker = python();
if (locker === undefined) {
  console.log('SKIPPED, because there is no python3: a store that is locked as a Java broker locks it');
} else {
  stores('is locked as a Java broker locks it', async () => {
    const store = temporaryDirectory();
    const directory = join(store, 'broker-a');
    const lock = join(directory, 'lock');
    mkdirSync(directory);
    writeFileSync(lock, 'lock');
    const holder: ChildProcess = spawn(locker, ['-c', JAVA_STYLE_LOCK, lock], { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await within(10_000, 'the lock', new Promise((resolve) => holder.stdout!.once('data', resolve)));
      await assertRefused(
        ['up', '--config', oneBroker(), '--ephemeral', '--store', store],
        `hangar: broker-a: ${directory} is in use by another broker (its lock file ${lock} is locked): ${LOCK_REMEDY}`,
      );
      assert.equal(readdirSync(directory), ['lock']);
    } finally {
      holder.kill('SIGKILL');
    }
  });
}

stores('is not writable, or is a file', async () => {
  // sysfs takes no directories, not even from root.
  const broker = (directory: string, code: string): string =>
    `hangar: broker-a: the store ${directory} cannot be written (${code}): make it writable, or choose another place with --store`;
  await assertRefused(
    ['up', '--config', oneBroker(), '--ephemeral', '--store', '/sys/hangar'],
    broker('/sys/hangar/broker-a', 'EPERM'),
  );
  const file = join(temporaryDirectory(), 'file');
  writeFileSync(file, 'not a directory');
  await assertRefused(
    ['up', '--config', oneBroker(), '--ephemeral', '--store', file],
    broker(join(file, 'broker-a'), 'ENOTDIR'),
  );
  assert.is(readFileSync(file, 'utf8'), 'not a directory');
});

stores('whose commit log is elsewhere, and cannot be written there', async () => {
  const directory = temporaryDirectory();
  const file = join(directory, 'file');
  const properties_ = join(directory, 'broker.properties');
  writeFileSync(file, '');
  const values = masterValues('broker-a', await freePort([-2, 0, 1]), {
    storePathRootDir: join(directory, 'store'),
    storePathCommitLog: join(file, 'commitlog'),
    brokerIP1: '127.0.0.1',
    namesrvAddr: '127.0.0.1:1',
  });
  writeFileSync(properties_, properties(values));
  const { code, stderr } = await runHangar(['broker', '-c', properties_]);
  assert.is(code, 1);
  assert.match(stderr, /^hangar: broker-a: .*commitlog.* cannot be written \(ENOTDIR\)/);
  assert.not.match(stderr, /\n {4}at /, 'no stack');
});

stores('was made with files of another size', async () => {
  const store = temporaryDirectory();
  const first = await up('--config', oneBroker(), '--ephemeral', '--store', store);
  try {
    await withClient(first.addresses.get('broker-a')!, async (client) => {
      assert.is((await client.call(Code.SEND, sendFields('broker-a', 0), Buffer.from('x'))).code, 0);
    });
    assert.is(await stopBy(first.child, 'SIGTERM'), 0);
  } finally {
    await first.child.kill();
  }
  const other = oneBroker({ mappedFileSizeCommitLog: 64 * 1024 * 1024 });
  const { code, stderr } = await runHangar(['up', '--config', other, '--ephemeral', '--store', store]);
  assert.is(code, 1);
  assert.match(
    stderr,
    /^hangar: broker-a: .*commitlog\/0{20} has 1073741824 bytes, but .* 67108864: set mappedFileSizeCommitLog=1073741824, .*\n$/,
  );
});

stores('holds a configuration file that cannot be read: a slave that waits for its master gives up too', async () => {
  const store = temporaryDirectory();
  const file = join(store, 'broker-a', 'config', 'topics.json');
  mkdirSync(join(store, 'broker-a', 'config'), { recursive: true });
  writeFileSync(file, '{"topicConfigTable":');
  const pair = configDirectory({
    'namesrv-a': { listenPort: 0 },
    'broker-a': masterValues('broker-a', 0, { brokerRole: 'SYNC_MASTER' }),
    'broker-a-s': slaveValues('broker-a', 0),
  });
  const { code, stderr } = await runHangar(['up', '--config', pair, '--ephemeral', '--store', store]);
  assert.is(code, 1);
  assert.match(
    stderr,
    /^hangar: broker-a: .*topics\.json cannot be read: .*repair it, or move it away to start without\n$/,
  );
  assert.not.ok(existsSync(join(store, 'broker-a-s', 'abort')));
});

stores('name server: KV configuration that is damaged', async () => {
  const store = temporaryDirectory();
  const file = join(store, 'namesrv-a', 'kvConfig.json');
  mkdirSync(join(store, 'namesrv-a'));
  writeFileSync(file, 'not JSON');
  const { code, stderr } = await runHangar(['up', '--config', oneBroker(), '--ephemeral', '--store', store]);
  assert.is(code, 1);
  assert.match(stderr, /^hangar: namesrv-a: .*kvConfig\.json is damaged .*: repair it, or remove it/);
});

stores.run();
