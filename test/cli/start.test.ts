/** `hangar up`, `hangar namesrv` and `hangar broker` from the command line to the line that says they are ready. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../interop/harness/ports.js';
import { type BrokerAddress, brokersOf } from '../interop/harness/remoting.js';
import { properties } from '../interop/harness/servers.js';
import {
  get,
  type HangarUp,
  masterValues,
  oneBroker,
  runHangar,
  START_MS,
  startHangar,
  stopBy,
  temporaryDirectory,
  up,
} from '../support/hangar-process.js';
import { Code, sendFields, withClient } from '../support/remoting-client.js';

const start = suite('hangar up: what it prints and where it listens');

/** Runs `use` against a started cluster and stops it in order. */
async function whileUp(args: readonly string[], use: (hangar: HangarUp) => Promise<void>): Promise<void> {
  const hangar = await up(...args);
  try {
    await use(hangar);
    assert.is(await stopBy(hangar.child, 'SIGTERM'), 0);
  } finally {
    await hangar.child.kill();
  }
}

function listens(address: string): Promise<boolean> {
  const [host, port] = address.split(':');
  return new Promise((resolve) => {
    const socket = connect({ host: host!, port: Number(port) });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

const moved = (address: string, by: number): string => {
  const [host, port] = address.split(':');
  return `${host}:${Number(port) + by}`;
};

start('prints one table and one ready line, and everything in them is true', async () => {
  const store = temporaryDirectory();
  await whileUp(['--ephemeral', '--store', store], async ({ child, nameServers, metrics, addresses }) => {
    // Warnings about a full disk are the machine's affair.
    const said = child.stderr.split('\n').filter((line) => line !== '' && !/^warning: .* % full/.test(line));
    assert.equal(said, []);
    const lines = child.stdout.trimEnd().split('\n');
    assert.match(lines[0]!, /^actor +thread +listener +store$/);
    assert.match(lines.at(-1)!, /^hangar is ready: namesrv=127\.0\.0\.1:\d+;127\.0\.0\.1:\d+ metrics=http:\/\/\S+$/);
    // Every line between is a row, and no actor has two.
    const rows = lines.slice(1, -1).map((line) => line.split(/ {2,}/));
    const actors = rows.map(([actor]) => actor);
    assert.equal(new Set(actors).size, actors.length);
    for (const role of [
      'front',
      'io',
      'reads',
      'namesrv-a',
      'namesrv-b',
      'broker-a',
      'broker-a-s',
      'broker-b',
      'broker-b-s',
    ]) {
      assert.ok(actors.includes(role), `a row for ${role}`);
    }
    for (const role of ['broker-a', 'broker-a-s', 'broker-b', 'broker-b-s']) {
      assert.is(rows.find(([actor]) => actor === role)!.at(-1), join(store, role));
      assert.ok(existsSync(join(store, role, 'lock')), `store of ${role}`);
      const address = addresses.get(role)!;
      assert.ok(await listens(moved(address, -2)), `VIP port of ${role}`);
      assert.ok(await listens(moved(address, 1)), `HA port of ${role}`);
    }
    for (const address of nameServers) {
      const known = await brokersOf(address);
      const expected: BrokerAddress[] = ['broker-a', 'broker-b'].flatMap((name) => [
        { name, id: 0, address: addresses.get(name)! },
        { name, id: 1, address: addresses.get(`${name}-s`)! },
      ]);
      assert.equal(known, expected, `what ${address} routes`);
    }
    assert.equal(await get(metrics, '/healthz'), { status: 200, text: 'ok\n' });
  });
});

for (const [topology, roles] of [
  ['2m-2s-async', ['broker-a', 'broker-a-s', 'broker-b', 'broker-b-s']],
  ['2m-noslave', ['broker-a', 'broker-b']],
  ['single', ['broker-a']],
] as const) {
  start(`--topology ${topology} serves its roles`, async () => {
    const args = ['--topology', topology, '--ephemeral', '--store', temporaryDirectory()];
    await whileUp(args, async ({ nameServers, addresses }) => {
      assert.is(nameServers.length, topology === 'single' ? 1 : 2);
      for (const address of nameServers) {
        const expected = roles.map((role) => addresses.get(role)!);
        assert.equal((await brokersOf(address)).map((broker) => broker.address).sort(), expected.sort());
      }
    });
  });
}

start('--fresh starts with an empty store, without it everything is as before', async () => {
  const store = temporaryDirectory();
  const args = ['--config', oneBroker(), '--ephemeral', '--store', store];
  const maxOffset = (hangar: HangarUp) =>
    withClient(hangar.addresses.get('broker-a')!, async (client) => {
      const answer = await client.call(Code.MAX_OFFSET, { topic: 'broker-a', queueId: 0 });
      return Number(answer.fields.offset);
    });
  const kvValue = (hangar: HangarUp) =>
    withClient(hangar.nameServers[0]!, async (client) => {
      const answer = await client.call(GET_KV, { namespace: 'test', key: 'kept' });
      return answer.fields.value;
    });
  await whileUp(args, async (hangar) => {
    await withClient(hangar.addresses.get('broker-a')!, async (client) => {
      assert.is((await client.call(Code.SEND, sendFields('broker-a', 0), Buffer.from('kept'))).code, 0);
    });
    await withClient(hangar.nameServers[0]!, async (client) => {
      assert.is((await client.call(PUT_KV, { namespace: 'test', key: 'kept', value: 'yes' })).code, 0);
    });
  });
  await whileUp(args, async (hangar) => {
    assert.is(await maxOffset(hangar), 1);
    assert.is(await kvValue(hangar), 'yes');
  });
  const notOurs = join(store, 'broker-a', 'config', 'notes.txt');
  writeFileSync(notOurs, 'mine');
  await whileUp([...args, '--fresh'], async (hangar) => {
    assert.is(await maxOffset(hangar), 0);
    assert.is(await kvValue(hangar), undefined);
  });
  assert.ok(existsSync(notOurs), 'what no broker wrote stays');
});

const PUT_KV = 100;
const GET_KV = 101;

start('--port-offset moves every port, HTTP included', async () => {
  // 9876 and 5557 are the highest and lowest that --port-offset moves here; the broker's own lie beside.
  const base = await freePort([-2, 0, 1, 100, 200]);
  const config = oneBroker({ listenPort: base - 1000 }, { metricsPort: base - 900 });
  writeFileSync(join(config, 'namesrv-a.properties'), properties({ listenPort: base - 800 }));
  const args = ['--config', config, '--port-offset', '1000', '--store', temporaryDirectory()];
  await whileUp(args, async ({ nameServers, metrics, addresses }) => {
    assert.equal(nameServers, [`127.0.0.1:${base + 200}`]);
    assert.is(metrics, `http://127.0.0.1:${base + 100}`);
    assert.is(addresses.get('broker-a'), `127.0.0.1:${base}`);
  });
});

start('--advertise is what clients are told', async () => {
  const args = ['--config', oneBroker(), '--ephemeral', '--store', temporaryDirectory()];
  await whileUp([...args, '--host', '0.0.0.0', '--advertise', '127.0.0.2'], async ({ nameServers }) => {
    assert.match(nameServers[0]!, /^127\.0\.0\.2:/);
    assert.match((await brokersOf(nameServers[0]!))[0]!.address, /^127\.0\.0\.2:/);
  });
  const { code, stderr } = await runHangar(['up', ...args, '--advertise', 'localhost']);
  assert.is(code, 1);
  assert.is(
    stderr,
    'hangar: broker-a: brokerIP1=localhost: an IP address is needed, because it is stored in every message: set brokerIP1 or --advertise to one\n',
  );
});

start.run();

const single = suite('hangar namesrv and hangar broker');

single('print one line when they serve, work together, and open no HTTP port', async () => {
  const directory = temporaryDirectory();
  const namesrvPort = await freePort();
  const brokerPort = await freePort([-2, 0, 1]);
  const namesrvFile = join(directory, 'namesrv.properties');
  const brokerFile = join(directory, 'broker.properties');
  writeFileSync(namesrvFile, properties({ listenPort: namesrvPort, kvConfigPath: join(directory, 'kv.json') }));
  const broker = masterValues('alone', brokerPort, {
    namesrvAddr: `127.0.0.1:${namesrvPort}`,
    brokerIP1: '127.0.0.1',
    storePathRootDir: join(directory, 'store'),
  });
  writeFileSync(brokerFile, properties(broker));
  const namesrvChild = startHangar(['namesrv', '-c', namesrvFile]);
  await namesrvChild.waitForOutput(/ready/, START_MS);
  const brokerChild = startHangar(['broker', '-c', brokerFile]);
  try {
    await brokerChild.waitForOutput(/ready/, START_MS);
    // The name server binds every address, as Apache's does.
    assert.is(namesrvChild.stdout, `hangar is ready: namesrv=127.0.0.1:${namesrvPort}\n`);
    assert.is(brokerChild.stdout, `hangar is ready: alone=127.0.0.1:${brokerPort}\n`);
    assert.equal(await brokersOf(`127.0.0.1:${namesrvPort}`), [
      { name: 'alone', id: 0, address: `127.0.0.1:${brokerPort}` },
    ]);
    assert.is(await stopBy(brokerChild, 'SIGTERM'), 0);
    // It said good-bye: nobody has to wait 120 s.
    assert.equal(await brokersOf(`127.0.0.1:${namesrvPort}`), []);
    assert.is(await stopBy(namesrvChild, 'SIGTERM'), 0);
    assert.not.ok(readdirSync(join(directory, 'store')).includes('abort'));
  } finally {
    await brokerChild.kill();
    await namesrvChild.kill();
  }
});

single.run();

const usage = suite('hangar: usage');

for (const [args, text] of [
  [['--version'], /^\d+\.\d+\.\d+/],
  [['--help'], /Usage: hangar/],
  [['up', '--help'], /--topology <name>/],
] as const) {
  usage(`${args.join(' ')} prints and exits with 0`, async () => {
    const { code, stdout } = await runHangar(args);
    assert.is(code, 0);
    assert.match(stdout, text);
  });
}

for (const [args, text] of [
  [[], /Usage: hangar/],
  [['upp'], /unknown command 'upp'/],
  [['up', '--nope'], /unknown option '--nope'/],
  [['up', '--topology', '3m'], /2m-2s-sync, 2m-2s-async, 2m-noslave, single/],
  [['up', '--metrics-port', '65536'], /a port is 0 to 65535/],
  [['up', '--store-max-bytes', '2x'], /a size from 0, as digits with or without k, m, g or t \(64m\) is expected/],
  [['broker'], /required option '-c <file>'/],
] as const) {
  usage(`${['hangar', ...args].join(' ')} says what is wrong and exits with 2`, async () => {
    const { code, stderr } = await runHangar(args);
    assert.is(code, 2);
    assert.match(stderr, text);
  });
}

usage('options that exclude each other start nothing', async () => {
  const store = join(temporaryDirectory(), 'store');
  const { code, stderr, stdout } = await runHangar(['up', '--ephemeral', '--port-offset', '3', '--store', store]);
  assert.is(code, 1);
  assert.is(stdout, '');
  assert.match(stderr, /^hangar: .*--ephemeral and --port-offset exclude each other$/m);
  assert.not.ok(existsSync(store));
});

usage.run();
