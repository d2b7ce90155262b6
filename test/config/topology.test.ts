import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Loaded, renderNote } from '../../config/notes.js';
import { assignPorts, type TopologyOverrides } from '../../config/placement.js';
import { parseProperties } from '../../config/properties.js';
import { listenersOf } from '../../config/topology-checks.js';
import {
  buildTopology,
  readPackagedTopology,
  readTopology,
  TOPOLOGY_NAMES,
  type Topology,
} from '../../config/topology.js';
import { repositoryRoot } from '../support/repository.js';
import { facts } from './support/facts.js';

function packaged(name: (typeof TOPOLOGY_NAMES)[number], overrides: TopologyOverrides = {}): Topology {
  // NAMESRV_ADDR of the shell is for tools: a topology has its own name servers.
  return topologyOf(readPackagedTopology(name, overrides, facts({ namesrvAddr: 'elsewhere:9876' })));
}

function topologyOf(loaded: Loaded<Topology>): Topology {
  if (!loaded.ok) throw new Error(loaded.errors.map(renderNote).join('\n'));
  return loaded.value;
}

function build(files: Readonly<Record<string, string>>, overrides: TopologyOverrides = {}): Loaded<Topology> {
  const list = Object.entries(files).map(([name, text]) => ({ path: `/conf/${name}.properties`, text }));
  return buildTopology('mine', '/conf', list, overrides, facts());
}

function errors(loaded: Loaded<Topology>): string[] {
  return loaded.ok ? [] : loaded.errors.map(renderNote);
}

const N = 'listenPort=9876';
const master = (more = ''): string => `brokerName=a\nlistenPort=10911\n${more}`;

const samples = suite('topologies of the package');

for (const name of TOPOLOGY_NAMES) {
  samples(`${name} loads without anything to say`, () => {
    const loaded = readPackagedTopology(name, {}, facts());
    assert.ok(loaded.ok, errors(loaded).join('\n'));
    assert.equal(loaded.notes.map(renderNote), []);
    assert.ok(loaded.value.isPackaged);
    assert.is(loaded.value.name, name);
  });
}

samples('2m-2s-sync listens where the design says', () => {
  const ports = listenersOf(packaged('2m-2s-sync')).map(
    ({ role, kind, host, port }) => `${role} ${kind} ${host}:${port}`,
  );
  assert.equal(ports.sort(), [
    'broker-a HA 127.0.0.1:10912',
    'broker-a VIP 127.0.0.1:10909',
    'broker-a remoting 127.0.0.1:10911',
    'broker-a-s HA 127.0.0.1:11012',
    'broker-a-s VIP 127.0.0.1:11009',
    'broker-a-s remoting 127.0.0.1:11011',
    'broker-b HA 127.0.0.1:10922',
    'broker-b VIP 127.0.0.1:10919',
    'broker-b remoting 127.0.0.1:10921',
    'broker-b-s HA 127.0.0.1:11022',
    'broker-b-s VIP 127.0.0.1:11019',
    'broker-b-s remoting 127.0.0.1:11021',
    'namesrv-a remoting 127.0.0.1:9876',
    'namesrv-b remoting 127.0.0.1:9877',
    'process HTTP 127.0.0.1:5557',
  ]);
});

samples('have the roles that their names promise', () => {
  const roles = (name: (typeof TOPOLOGY_NAMES)[number]): string[] => [
    ...packaged(name).namesrvs.map((role) => role.name),
    ...packaged(name).brokers.map(({ name: role, settings: { brokerName, brokerId, brokerRole } }) => {
      return `${role} ${brokerName} ${brokerId} ${brokerRole}`;
    }),
  ];
  const pairs = (kind: string): string[] => [
    'namesrv-a',
    'namesrv-b',
    'broker-a-s broker-a 1 SLAVE',
    `broker-a broker-a 0 ${kind}`,
    'broker-b-s broker-b 1 SLAVE',
    `broker-b broker-b 0 ${kind}`,
  ];
  assert.equal(roles('2m-2s-sync'), pairs('SYNC_MASTER'));
  assert.equal(roles('2m-2s-async'), pairs('ASYNC_MASTER'));
  assert.equal(
    roles('2m-noslave'),
    pairs('ASYNC_MASTER').filter((role) => !role.endsWith('SLAVE')),
  );
  assert.equal(roles('single'), ['namesrv-a', 'broker-a broker-a 0 ASYNC_MASTER']);
});

samples('are one cluster on this machine', () => {
  const { brokers, namesrvs } = packaged('2m-2s-sync');
  for (const { name, settings } of brokers) {
    assert.is(settings.brokerClusterName, 'rocketmq-cluster');
    assert.is(settings.namesrvAddr, '127.0.0.1:9876;127.0.0.1:9877');
    assert.equal([settings.brokerIP1, settings.brokerIP2], ['127.0.0.1', '127.0.0.1']);
    assert.is(settings.storePathRootDir, `/work/hangar-store/${name}`);
    assert.is(settings.storePathCommitLog, `/work/hangar-store/${name}/commitlog`);
    assert.is(settings.haListenPort, settings.listenPort + 1);
  }
  assert.equal(
    namesrvs.map(({ settings }) => settings.kvConfigPath),
    ['/work/hangar-store/namesrv-a/kvConfig.json', '/work/hangar-store/namesrv-b/kvConfig.json'],
  );
});

samples('are never written to: updates of a name server go to its store', () => {
  const [namesrv] = packaged('single').namesrvs;
  assert.is(namesrv!.settings.configStorePath, '/work/hangar-store/namesrv-a/namesrv.properties');
});

samples('contain only keys that the Apache role of the same file has', () => {
  const fixtures = join(repositoryRoot(), 'test/config/fixtures');
  const keysOf = (...names: string[]): Set<string> => {
    const lines = names.flatMap((name) =>
      readFileSync(join(fixtures, `${name}.txt`), 'utf8')
        .trim()
        .split('\n'),
    );
    return new Set(lines.map((line) => line.split('=')[0]!));
  };
  const broker = keysOf('BrokerConfig', 'MessageStoreConfig', 'NettyServerConfig', 'NettyClientConfig');
  const namesrv = keysOf('NamesrvConfig', 'NettyServerConfig');
  for (const name of TOPOLOGY_NAMES) {
    const { brokers, namesrvs } = packaged(name);
    for (const { file } of [...brokers, ...namesrvs]) {
      const known = file.includes('namesrv') ? namesrv : broker;
      for (const { key } of parseProperties(readFileSync(file, 'utf8')).entries)
        assert.ok(known.has(key), `${file}: ${key}`);
    }
  }
});

const options = suite('options of hangar up');

options('--store puts every role into a directory of its own there, whatever the files say', () => {
  const files = { namesrv: `${N}\nkvConfigPath=/x`, a: master('storePathRootDir=/y\nstorePathCommitLog=/z') };
  const { brokers, namesrvs } = topologyOf(build(files, { store: '/data' }));
  const { storePathRootDir, storePathCommitLog } = brokers[0]!.settings;
  assert.equal([storePathRootDir, storePathCommitLog], ['/data/a', '/data/a/commitlog']);
  assert.is(namesrvs[0]!.settings.kvConfigPath, '/data/namesrv/kvConfig.json');
  assert.is(topologyOf(build(files)).brokers[0]!.settings.storePathRootDir, '/y');
});

options('--port-offset moves every port, and addresses of own name servers with them', () => {
  const moved = packaged('2m-2s-sync', { portOffset: 100 });
  const before = listenersOf(packaged('2m-2s-sync'));
  assert.equal(
    listenersOf(moved).map(({ port }) => port),
    before.map(({ port }) => port + 100),
  );
  assert.is(moved.brokers[0]!.settings.namesrvAddr, '127.0.0.1:9976;127.0.0.1:9977');
  const listed = build({ namesrv: N, a: master('namesrvAddr=localhost:9876;other:9876') }, { portOffset: 5 });
  assert.is(topologyOf(listed).brokers[0]!.settings.namesrvAddr, '127.0.0.1:9881;other:9876');
});

options("--store-max-bytes is every broker's budget, stronger than their files; small file sizes follow", () => {
  const files = { namesrv: N, a: master('storeMaxBytes=1g'), b: 'brokerName=b\nlistenPort=2000' };
  const { brokers } = topologyOf(build(files, { storeMaxBytes: 2 ** 31 }));
  assert.equal(
    brokers.map(({ settings }) => [settings.storeMaxBytes, settings.mappedFileSizeCommitLog]),
    [
      [2 ** 31, 2 ** 27],
      [2 ** 31, 2 ** 27],
    ],
  );
  assert.match(errors(build(files, { storeMaxBytes: 1.5 }))[0]!, /--store-max-bytes 1\.5: allowed: whole bytes/);
});

options('--port-offset beyond the last port is refused with the port', () => {
  const loaded = readPackagedTopology('single', { portOffset: 60_000 }, facts());
  assert.match(errors(loaded)[0]!, /namesrv-a \(remoting\): port 69876 does not exist, ports are 1 to 65535$/);
});

options('--ephemeral leaves every port open until the sockets are bound', () => {
  const open = packaged('2m-2s-sync', { ephemeral: true });
  assert.equal(new Set(listenersOf(open).map(({ port }) => port)), new Set([0]));
  assert.is(open.brokers[0]!.settings.namesrvAddr, '');
  assert.is(open.brokers[0]!.settings.haListenPort, 0);

  const ports = new Map([...open.namesrvs, ...open.brokers].map(({ name }, index) => [name, 40_000 + 10 * index]));
  const bound = assignPorts(open, ports, 41_000);
  assert.is(bound.brokers[0]!.settings.namesrvAddr, '127.0.0.1:40000;127.0.0.1:40010');
  assert.equal(
    bound.brokers.map(({ settings: { listenPort, haListenPort } }) => [listenPort, haListenPort]),
    [40_020, 40_030, 40_040, 40_050].map((port) => [port, port + 1]),
  );
  assert.is(bound.process.metricsPort, 41_000);
});

options('--ephemeral knows an own name server in a file by the port of its file', () => {
  const open = topologyOf(build({ namesrv: N, a: master('namesrvAddr=127.0.0.1:9876;other:1') }, { ephemeral: true }));
  const bound = assignPorts(open, new Map([['namesrv', 40_000]]), 0);
  assert.is(bound.brokers[0]!.settings.namesrvAddr, '127.0.0.1:40000;other:1');
});

options('--host is listened at and advertised, --advertise is only advertised', () => {
  const of = (overrides: TopologyOverrides): string[] => {
    const { bindAddress, brokerIP1, brokerIP2, namesrvAddr } = packaged('single', overrides).brokers[0]!.settings;
    return [bindAddress, brokerIP1, brokerIP2, namesrvAddr];
  };
  assert.equal(of({ host: '10.0.0.7' }), ['10.0.0.7', '10.0.0.7', '10.0.0.7', '10.0.0.7:9876']);
  assert.equal(of({ host: '0.0.0.0' }), ['0.0.0.0', '10.1.2.3', '10.1.2.3', '127.0.0.1:9876']);
  assert.equal(of({ host: '0.0.0.0', advertise: 'mq.example' }), [
    '0.0.0.0',
    'mq.example',
    'mq.example',
    '127.0.0.1:9876',
  ]);
  assert.equal(of({ host: '::1' }), ['::1', '[::1]', '[::1]', '[::1]:9876']);
});

options('--metrics-port is not moved', () => {
  assert.is(packaged('single', { metricsPort: 6000, portOffset: 100 }).process.metricsPort, 6000);
  assert.is(packaged('single', { portOffset: 100 }).process.metricsPort, 5657);
  assert.is(packaged('single', { ephemeral: true, metricsPort: 6000 }).process.metricsPort, 6000);
});

options('that are wrong are refused by name, all at once', () => {
  const wrong = { portOffset: 1.5, metricsPort: 70_000, host: 'a b', advertise: '0.0.0.0', store: '', ephemeral: true };
  assert.equal(
    errors(readPackagedTopology('single', wrong, facts())).map((error) => error.split(/ |: /).slice(0, 4).join(' ')),
    [
      'command line --port-offset 1.5',
      'command line --ephemeral and',
      'command line --metrics-port 70000',
      'command line --host a',
      'command line --advertise 0.0.0.0',
      'command line --store the',
    ],
  );
});

const collisions = suite('topology: collisions');

collisions('two roles at one port, VIP and replication ports included', () => {
  assert.equal(errors(build({ namesrv: N, a: master(), b: 'brokerName=b\nlistenPort=10913' })), [
    '/conf: a (remoting) and b (VIP) would both listen at 127.0.0.1:10911; change listenPort or metricsPort',
  ]);
  assert.equal(errors(build({ namesrv: 'listenPort=10912', a: master() })), [
    '/conf: namesrv (remoting) and a (HA) would both listen at 127.0.0.1:10912; change listenPort or metricsPort',
  ]);
  assert.match(
    errors(build({ namesrv: N, a: master() }, { metricsPort: 10_909 }))[0]!,
    /a \(VIP\) and process \(HTTP\)/,
  );
});

collisions('an address of the machine collides with all addresses, but not with another one', () => {
  const files = (host: string) => ({
    namesrv: N,
    a: master(),
    b: `brokerName=b\nlistenPort=10911\nbindAddress=${host}`,
  });
  assert.is(errors(build(files('0.0.0.0'))).length, 3);
  assert.equal(errors(build(files('127.0.0.2'))), []);
});

collisions('two roles with one store directory', () => {
  const files = {
    namesrv: N,
    a: master('storePathRootDir=/s'),
    b: 'brokerName=b\nlistenPort=2000\nstorePathRootDir=/s',
  };
  assert.equal(errors(build(files)), [
    '/conf: a (storePathRootDir) and b (storePathRootDir) share /s',
    '/conf: a (storePathCommitLog) and b (storePathCommitLog) share /s/commitlog',
  ]);
});

collisions('two roles with one name and id, or one name in two clusters', () => {
  assert.equal(errors(build({ namesrv: N, a: master(), b: 'brokerName=a\nlistenPort=2000' })), [
    '/conf: a and b are both brokerName=a, brokerId=0',
  ]);
  const slave = 'brokerName=a\nbrokerRole=SLAVE\nbrokerId=1\nlistenPort=2000\nbrokerClusterName=other';
  assert.equal(errors(build({ namesrv: N, a: master(), b: slave })), [
    '/conf: a and b share brokerName=a but not the cluster: DefaultCluster and other',
  ]);
});

collisions("a slave whose commit log files have another size than its master's, by itself or by storeMaxBytes", () => {
  const slave = (more: string): string => `brokerName=a\nbrokerRole=SLAVE\nbrokerId=1\nlistenPort=2000\n${more}`;
  assert.match(
    errors(build({ namesrv: N, a: master(), b: slave('mappedFileSizeCommitLog=536870912') }))[0]!,
    /b and its master a have different commit log files \(mappedFileSizeCommitLog=536870912 and 1073741824\): set it in both/,
  );
  assert.is(errors(build({ namesrv: N, a: master(), b: slave('storeMaxBytes=2g') })).length, 1);
  assert.ok(build({ namesrv: N, a: master(), b: slave('storeMaxBytes=2g\nmappedFileSizeCommitLog=1073741824') }).ok);
});

const wholes = suite('topology: as a whole');

wholes('may have a slave without its master and a SYNC_MASTER without a slave, which it says', () => {
  const loaded = build({
    namesrv: N,
    a: master('brokerRole=SYNC_MASTER'),
    b: 'brokerName=b\nbrokerRole=SLAVE\nbrokerId=1\nlistenPort=2000',
  });
  assert.ok(loaded.ok);
  assert.equal(loaded.notes.map(renderNote), [
    '/conf: a: a is a SYNC_MASTER without a slave in this topology: sends are answered SLAVE_NOT_AVAILABLE until a slave joins',
    '/conf: b: the master of b is not part of this topology',
  ]);
});

wholes('may join the name servers of another cluster, but needs some', () => {
  assert.is(topologyOf(build({ a: master('namesrvAddr=x:9876') })).brokers[0]!.settings.namesrvAddr, 'x:9876');
  assert.equal(errors(build({ a: master() })), [
    '/conf: a: the topology has no name server, and namesrvAddr is not set',
  ]);
});

wholes('reports the errors of all its files at once', () => {
  const loaded = build({ namesrv: 'listenPort=x', a: 'brokerRole=x', hangar: 'ringBytes=x' });
  assert.equal(
    errors(loaded).map((error) => error.split(' ')[0]),
    ['/conf/namesrv.properties:1:', '/conf/a.properties:1:', '/conf/hangar.properties:1:'],
  );
});

wholes('needs a role, and names that can be directories', () => {
  assert.equal(errors(build({ hangar: '' })), [
    '/conf: no role: there is no *.properties file of a name server or a broker',
  ]);
  assert.match(errors(build({ '..': '', namesrv: N }))[0]!, /the name of a role has 1 to 64 letters, digits/);
});

const directories = suite('topology: directories');
let directory = '';
directories.before.each(() => {
  directory = mkdtempSync(join(tmpdir(), 'hangar-topology-'));
});
directories.after.each(() => {
  rmSync(directory, { recursive: true });
});

directories('are read by *.properties; other files do not count', () => {
  writeFileSync(join(directory, 'namesrv-x.properties'), N);
  writeFileSync(join(directory, 'one.properties'), master());
  writeFileSync(join(directory, 'plain_acl.yml'), '\0');
  const { namesrvs, brokers, isPackaged } = topologyOf(readTopology(directory, {}, facts()));
  assert.equal(
    [...namesrvs, ...brokers].map(({ name }) => name),
    ['namesrv-x', 'one'],
  );
  assert.is(brokers[0]!.file, join(directory, 'one.properties'));
  assert.is(namesrvs[0]!.settings.configStorePath, join(directory, 'namesrv-x.properties'));
  assert.not(isPackaged);
});

directories('that do not exist are named', () => {
  const missing = join(directory, 'none');
  assert.equal(errors(readTopology(missing)), [`${missing}: cannot be read: no such file or directory`]);
});

samples.run();
options.run();
collisions.run();
wholes.run();
directories.run();
