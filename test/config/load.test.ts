import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseLocalAddress } from '../../config/facts.js';
import {
  type BrokerConfig,
  loadBrokerConfig,
  loadNamesrvConfig,
  loadProcessConfig,
  readBrokerConfig,
} from '../../config/load.js';
import { editDistance, nearest } from '../../config/nearest.js';
import { type Loaded, NOTES_MAX, renderNote } from '../../config/notes.js';
import type { BrokerSettings } from '../../config/schema.js';
import { parseAddress } from '../../config/setting.js';
import { facts } from './support/facts.js';

const NS = 'namesrvAddr=127.0.0.1:9876\n';
const load = (text: string, changes = {}): Loaded<BrokerConfig> =>
  loadBrokerConfig(NS + text, 'b.properties', { facts: facts(changes) });

function settings(text: string): BrokerSettings {
  const loaded = load(text);
  if (!loaded.ok) throw new Error(loaded.errors.map(renderNote).join('\n'));
  return loaded.value.settings;
}

/** Line 1 is namesrvAddr. */
function errors(text: string): string[] {
  const loaded = load(text);
  return loaded.ok ? [] : loaded.errors.map(renderNote);
}

const notes = (text: string): string[] => load(text).notes.map(renderNote);

const values = suite('broker settings: values');

values('are the defaults where the file says nothing', () => {
  const all = settings('');
  assert.is(all.brokerName, 'host-1');
  assert.is(all.brokerIP1, '10.1.2.3');
  assert.is(all.listenPort, 10911);
  assert.is(all.haListenPort, 10912);
  assert.is(all.storePathRootDir, '/home/somebody/store');
  assert.is(all.storePathCommitLog, '/home/somebody/store/commitlog');
  assert.is(all.bindAddress, '0.0.0.0');
  assert.is(all.messageDelayLevel.length, 18);
  assert.is(all.messageDelayLevel[17], 7_200_000);
  assert.equal(all.deleteWhen, [4]);
  assert.equal(notes(''), []);
});

values('cannot be changed by who holds them', () => {
  assert.throws(() => {
    (settings('') as { listenPort: number }).listenPort = 1;
  }, TypeError);
  assert.throws(() => (settings('deleteWhen=04').deleteWhen as number[]).push(5), TypeError);
});

values('are typed as their rows say', () => {
  const all = settings(
    [
      'brokerId=7',
      'brokerRole=SLAVE',
      'autoCreateTopicEnable=FALSE',
      'storePathRootDir=data/a',
      'windowBytes=64m',
      'consumerFallbehindThreshold=+17179869184',
      'deleteWhen=04;16',
      'bindAddress=[::1]',
    ].join('\n'),
  );
  assert.is(all.brokerId, 7);
  assert.is(all.brokerRole, 'SLAVE');
  assert.is(all.autoCreateTopicEnable, false);
  assert.is(all.storePathRootDir, '/work/data/a');
  assert.is(all.storePathCommitLog, '/work/data/a/commitlog');
  assert.is(all.windowBytes, 67_108_864);
  assert.is(all.consumerFallbehindThreshold, 17_179_869_184);
  assert.equal(all.deleteWhen, [4, 16]);
  assert.is(all.bindAddress, '::1');
});

values('come from the command line, the file, the topology and the defaults, in this order', () => {
  const loaded = loadBrokerConfig(`${NS}brokerIP1=1.1.1.1\nbrokerIP2=2.2.2.2`, 'b', {
    facts: facts(),
    overrides: { brokerIP1: '9.9.9.9' },
    fallbacks: { brokerIP1: '5.5.5.5', brokerIP2: '5.5.5.5', brokerName: 'fallback' },
  });
  assert.ok(loaded.ok);
  const { brokerIP1, brokerIP2, brokerName, brokerClusterName } = loaded.value.settings;
  assert.equal(
    [brokerIP1, brokerIP2, brokerName, brokerClusterName],
    ['9.9.9.9', '2.2.2.2', 'fallback', 'DefaultCluster'],
  );
  assert.equal([...loaded.value.given], ['namesrvAddr', 'brokerIP1', 'brokerIP2']);
});

values('of a single role include those of the process', () => {
  const loaded = load('metricsPort=0\nworkerThreads=3');
  assert.ok(loaded.ok);
  assert.equal([loaded.value.process.metricsPort, loaded.value.process.workerThreads], [0, 3]);
  const silent = load('');
  assert.ok(silent.ok);
  assert.is(silent.value.process.metricsPort, undefined);
});

const wrong = suite('broker settings: wrong values');

/** One case per type: a line, and what the refusal says after `b.properties:2: `. */
const REFUSALS: readonly (readonly [line: string, refusal: string])[] = [
  ['autoCreateTopicEnable=yes', 'autoCreateTopicEnable=yes: allowed: true or false'],
  ['brokerPermission=8', 'brokerPermission=8: allowed: a whole number from 0 to 7'],
  ['brokerPermission=0x6', 'brokerPermission=0x6: allowed: a whole number from 0 to 7'],
  ['mappedFileSizeCommitLog=1g', 'mappedFileSizeCommitLog=1g: allowed: a whole number from 4096 to 2147483647 (bytes)'],
  ['mapedFileSizeCommitLog=-1', 'mapedFileSizeCommitLog=-1: allowed: a whole number from 4096 to 2147483647 (bytes)'],
  ['flushIntervalCommitLog=0', 'flushIntervalCommitLog=0: allowed: a whole number from 1 to 2147483647 (ms)'],
  ['brokerId=-2', 'brokerId=-2: allowed: a whole number from -1 to 2^53 - 1'],
  ['brokerId=9007199254740993', 'brokerId=9007199254740993: allowed: a whole number from -1 to 2^53 - 1'],
  ['diskMaxUsedSpaceRatio=99', 'diskMaxUsedSpaceRatio=99: allowed: a whole number from 10 to 95 (percent)'],
  ['brokerRole=MASTER', 'brokerRole=MASTER: allowed: ASYNC_MASTER, SYNC_MASTER or SLAVE'],
  ['flushDiskType=sync_flush', 'flushDiskType=sync_flush: allowed: ASYNC_FLUSH or SYNC_FLUSH'],
  ['namesrvAddr=localhost', 'namesrvAddr=localhost: allowed: host:port or host:port;host:port'],
  ['namesrvAddr=a:1,b:2', 'namesrvAddr=a:1,b:2: allowed: host:port or host:port;host:port'],
  ['haMasterAddress=10.0.0.1', 'haMasterAddress=10.0.0.1: allowed: host:port'],
  ['brokerIP1=10.0.0.1:10911', 'brokerIP1=10.0.0.1:10911: allowed: a host name or an IP address without a port'],
  ['brokerName=', 'brokerName=: allowed: 1 to 127 bytes without control characters'],
  ['storePathCommitLog=/a,/b', 'storePathCommitLog=/a,/b: allowed: one path, not a list'],
  ['deleteWhen=24', 'deleteWhen=24: allowed: hours from 00 to 23 joined by ;, such as 04 or 04;16'],
  [
    'messageDelayLevel=1s 5x',
    'messageDelayLevel=1s 5x: allowed: 1 to 100 delays such as 1s, 5m, 2h or 1d, separated by blanks',
  ],
  [
    'windowBytes=48m',
    'windowBytes=48m: allowed: a power of two from 1m to 1g, as digits with or without k, m, g or t (64m) (bytes)',
  ],
  ['metricsPort=65536', 'metricsPort=65536: allowed: a port from 1 to 65535, or 0 for any free one'],
  ['regionId=\\u0007', 'regionId=\\u0007: allowed: up to 1024 characters without control characters'],
  [
    'listenPort=2',
    'listenPort=2: allowed: 0 or 3 to 65534; a broker also opens the ports listenPort - 2 and listenPort + 1',
  ],
];

for (const [line, refusal] of REFUSALS) {
  wrong(`are refused with file, line, key, value and what is allowed: ${line}`, () => {
    assert.equal(errors(line), [`b.properties:2: ${refusal}`]);
  });
}

wrong('are reported all at once', () => {
  const text = 'brokerRole=MASTER\n\nbrokerId=x\nlistenPort=1';
  assert.equal(
    errors(text).map((error) => error.split(' ')[0]),
    ['b.properties:2:', 'b.properties:4:', 'b.properties:5:'],
  );
});

wrong('do not show a password', () => {
  const [error] = errors(`tls.server.keyPassword=${'s3cret'.repeat(200)}`);
  assert.match(error!, /keyPassword=\*\*\*: allowed/);
  assert.not.match(error!, /s3cret/);
});

const promises = suite('broker settings: promises that cannot be kept');

const BROKEN = [
  'enableDLegerCommitLog=true',
  'enableConsumeQueueExt=true',
  'readOnlyCommitLogStorePaths=/old',
  'enableLmq=true',
  'enableMultiDispatch=true',
  'messageStorePlugIn=org.example.Plugin',
  'aclEnable=true',
  'useTLS=true',
  'tls.enable=true',
  'tls.server.mode=enforcing',
  'inSyncReplicas=3',
  'enableControllerMode=true',
];
for (const line of BROKEN) {
  promises(`stop the start with the reason: ${line}`, () => {
    const all = errors(line);
    assert.is(all.length, 1);
    assert.ok(all[0]!.startsWith(`b.properties:2: ${line} is refused: `), all[0]);
  });
}

promises('are no reason to refuse the harmless values of the same keys', () => {
  assert.equal(errors('enableDLegerCommitLog=false\naclEnable=false\ntls.server.mode=disabled\ninSyncReplicas=2'), []);
});

const inMemory = suite('broker settings: a store in memory');

inMemory('its paths are names that no disk has, whatever the file says, and it has a bound', () => {
  const { storeKind, storePathRootDir, storePathCommitLog, storeMaxBytes } = settings(
    'storeKind=memory\nstorePathRootDir=/data/store',
  );
  assert.is(storeKind, 'memory');
  assert.equal(notes('storeKind=memory\nstorePathRootDir=/data/store'), [
    'b.properties:3: storePathRootDir has no effect, because storeKind is memory',
  ]);
  assert.is(storePathRootDir, '/in-memory/store/b');
  assert.is(storePathCommitLog, '/in-memory/store/b/commitlog');
  assert.is(storeMaxBytes, 256 * 1024 * 1024);
  assert.is(settings('storeKind=memory\nstoreMaxBytes=1g').storeMaxBytes, 1024 ** 3);
  assert.is(settings('').storeMaxBytes, 0);
});

inMemory('is refused without a bound, and with one that no machine has', () => {
  assert.match(errors('storeKind=memory\nstoreMaxBytes=0').join(), /^b\.properties:3: storeMaxBytes=0 is no limit, /);
  assert.match(errors('storeKind=memory\nstoreMaxBytes=2t').join(), /^b\.properties:3: storeMaxBytes=2199023255552 /);
});

inMemory.run();

const quirks = suite("broker settings: Apache's rules between keys");

quirks('a master role forces brokerId 0, and says so when another one is given', () => {
  assert.is(settings('brokerRole=SYNC_MASTER\nbrokerId=3').brokerId, 0);
  assert.equal(notes('brokerRole=SYNC_MASTER\nbrokerId=3'), [
    'b.properties:3: brokerId=3 counts as 0, because brokerRole is SYNC_MASTER',
  ]);
});

quirks('a slave needs a brokerId above 0', () => {
  assert.equal(errors('brokerRole=SLAVE'), ['b.properties: brokerId=0: a SLAVE needs a number above 0']);
  assert.equal(errors('brokerRole=SLAVE\nbrokerId=-1'), [
    'b.properties:3: brokerId=-1: a SLAVE needs a number above 0',
  ]);
});

quirks('the replication port is always the next one', () => {
  const all = settings('listenPort=20000\nhaListenPort=3');
  assert.is(all.haListenPort, 20001);
  assert.equal(notes('haListenPort=3'), [
    'b.properties:2: haListenPort=3 is accepted without effect: always listenPort + 1, as in Apache 4.x',
  ]);
});

quirks('the registration period is between 10 and 60 seconds', () => {
  assert.is(settings('registerNameServerPeriod=5').registerNameServerPeriod, 10_000);
  assert.is(settings('registerNameServerPeriod=600000').registerNameServerPeriod, 60_000);
  assert.equal(notes('registerNameServerPeriod=5'), ['b.properties:2: registerNameServerPeriod=5 counts as 10000']);
});

quirks('a consume queue file holds whole entries', () => {
  assert.is(settings('mappedFileSizeConsumeQueue=6000001').mappedFileSizeConsumeQueue, 6_000_020);
});

quirks('a commit log file that is smaller than the largest message is worth a warning', () => {
  assert.match(notes('mappedFileSizeCommitLog=65536')[0]!, /:2: .*do not fit into a file are refused$/);
});

const withoutServers = (text: string, env = ''): Loaded<BrokerConfig> =>
  loadBrokerConfig(text, 'b', { facts: facts({ namesrvAddr: env }) });

quirks('name servers come from the environment, and it is said when there are none', () => {
  const none = withoutServers('');
  assert.ok(none.ok);
  assert.equal(none.notes.map(renderNote), [
    'b: namesrvAddr is not set, nor is NAMESRV_ADDR: the broker registers nowhere',
  ]);
  const some = withoutServers('', 'ns1:9876;ns2:9876');
  assert.ok(some.ok);
  assert.is(some.value.settings.namesrvAddr, 'ns1:9876;ns2:9876');
  const wrongOnes = withoutServers('', 'ns1');
  assert.not(wrongOnes.ok);
  assert.match(wrongOnes.ok ? '' : renderNote(wrongOnes.errors[0]!), /^b: NAMESRV_ADDR=ns1: allowed: host:port/);
});

quirks('an address server is no substitute for name servers', () => {
  const loaded = withoutServers('fetchNamesrvAddrByAddressServer=true');
  assert.not(loaded.ok);
  assert.match(loaded.ok ? '' : renderNote(loaded.errors[0]!), /^b:1: fetchNamesrvAddrByAddressServer=true without/);
  assert.ok(load('fetchNamesrvAddrByAddressServer=true').ok);
});

const spelling = suite('broker settings: spelling');

spelling('takes the spelling of every guide for the file sizes, and warns that Apache does not', () => {
  const text = 'mapedFileSizeCommitLog=536870912\nmapedFileSizeConsumeQueue=200';
  assert.is(settings(text).mappedFileSizeCommitLog, 536_870_912);
  assert.is(settings(text).mappedFileSizeConsumeQueue, 200);
  assert.match(notes(text)[0]!, /^b\.properties:2: mapedFileSizeCommitLog is taken as mappedFileSizeCommitLog; Apache/);
});

spelling('says so when both spellings are given and differ, and takes the one that Apache 4.9 takes', () => {
  for (const text of [
    'mapedFileSizeCommitLog=536870912\nmappedFileSizeCommitLog=268435456',
    'mappedFileSizeCommitLog=268435456\nmapedFileSizeCommitLog=536870912',
  ]) {
    assert.is(settings(text).mappedFileSizeCommitLog, 268_435_456);
    assert.is(notes(text).length, 1);
    assert.match(notes(text)[0]!, /name the same setting and differ: mappedFileSizeCommitLog counts$/);
  }
  assert.equal(notes('mapedFileSizeCommitLog=536870912\nmappedFileSizeCommitLog=536870912'), []);
});

spelling('warns of an unknown key with the nearest known one', () => {
  assert.equal(notes('autoCreatTopicEnable=true\nlistenport=10911\nfoo=1\nmaxMesageSize=1'), [
    'b.properties:2: unknown key autoCreatTopicEnable; did you mean autoCreateTopicEnable?',
    'b.properties:3: unknown key listenport; did you mean listenPort?',
    'b.properties:4: unknown key foo',
    'b.properties:5: unknown key maxMesageSize; did you mean maxMessageSize?',
  ]);
});

spelling('tells where a known key belongs that has no place here', () => {
  assert.equal(notes('kvConfigPath=/x'), ["b.properties:2: kvConfigPath is a name server's key and is ignored here"]);
  const inTopology = loadBrokerConfig('metricsPort=1', 'b', { facts: facts(), inTopology: true });
  assert.equal(inTopology.notes.map(renderNote), [
    'b:1: metricsPort belongs to the process, into hangar.properties, and is ignored here',
  ]);
});

spelling('measures distances with swaps of neighbours', () => {
  assert.is(editDistance('listen', 'silent'), 4);
  assert.is(editDistance('abcd', 'abdc'), 1);
  assert.is(editDistance('', 'abc'), 3);
  assert.is(nearest('x'.repeat(1000), ['x'.repeat(1000)]), undefined);
});

const budgets = suite('broker settings: storeMaxBytes');

budgets("makes files small beside it, unless their size is set; without it they are Apache's", () => {
  const sizes = (text: string): number[] => {
    const { mappedFileSizeCommitLog, mappedFileSizeConsumeQueue, maxIndexNum, maxHashSlotNum } = settings(text);
    return [mappedFileSizeCommitLog, mappedFileSizeConsumeQueue, maxIndexNum, maxHashSlotNum];
  };
  assert.equal(sizes(''), [2 ** 30, 6_000_000, 20_000_000, 5_000_000]);
  assert.equal(sizes('storeMaxBytes=2g'), [2 ** 27, 131_060, 12_782_640, 3_195_660]);
  assert.equal(sizes('storeMaxBytes=16m'), [2 ** 23, 4_000, 99_864, 24_966]);
  assert.equal(sizes('storeMaxBytes=1t'), [2 ** 30, 6_000_000, 20_000_000, 5_000_000]);
  assert.equal(sizes('storeMaxBytes=8g\nmappedFileSizeCommitLog=1073741824\nmaxIndexNum=1000').slice(0, 3), [
    2 ** 30,
    524_280,
    1000,
  ]);
});

budgets('of less than two log files is refused with the remedy', () => {
  assert.match(
    errors('storeMaxBytes=1g\nmappedFileSizeCommitLog=1073741824')[0]!,
    /:2: storeMaxBytes=1073741824 is less than two commit log files .*: set storeMaxBytes to at least 2147483648, or/,
  );
  assert.match(errors('storeMaxBytes=8m')[0]!, /mappedFileSizeCommitLog=8388608.*at least 16777216/);
  assert.is(settings('storeMaxBytes=2g\nmappedFileSizeCommitLog=1073741824').storeMaxBytes, 2 ** 31);
});

const listed = suite('broker settings: what else is said');

listed('lists keys without effect when they are set, with the reason', () => {
  const loaded = load('sendMessageThreadPoolNums=16\nenableDetailStat=false');
  assert.equal(
    loaded.notes.map((note) => [note.kind, note.key, note.line]),
    [
      ['without effect', 'sendMessageThreadPoolNums', 2],
      ['without effect', 'enableDetailStat', 3],
    ],
  );
  assert.match(
    renderNote(loaded.notes[1]!),
    /enableDetailStat=false is accepted without effect: it only adds the queues of delayed messages, which hangar_delayed_pending shows$/,
  );
});

listed('warns of a repeated key, whose last line counts', () => {
  assert.is(settings('listenPort=1000\nlistenPort=2000').listenPort, 2000);
  assert.equal(notes('listenPort=1000\nlistenPort=2000'), [
    'b.properties:3: listenPort repeats line 2, which does not count',
  ]);
});

listed('warns of blanks at the end, which would make Apache use the default', () => {
  assert.is(settings('listenPort=2000 \t').listenPort, 2000);
  assert.match(notes('listenPort=2000 \t')[0]!, /^b\.properties:2: listenPort=2000: blanks at the end are left out/);
});

const files = suite('configuration files');
let directory = '';
files.before.each(() => {
  directory = mkdtempSync(join(tmpdir(), 'hangar-config-'));
});
files.after.each(() => {
  rmSync(directory, { recursive: true });
});

function fileErrors(content: string | Buffer): string[] {
  const path = join(directory, 'b.properties');
  writeFileSync(path, content);
  const loaded = readBrokerConfig(path, { facts: facts({ namesrvAddr: 'ns:9876' }) });
  return loaded.ok ? [] : loaded.errors.map((note) => renderNote(note).slice(directory.length + 1));
}

files('that cannot be read are named', () => {
  const missing = readBrokerConfig(join(directory, 'none.properties'));
  assert.not(missing.ok);
  const said = missing.ok ? '' : renderNote(missing.errors[0]!);
  assert.is(said, `${directory}/none.properties: cannot be read: no such file or directory`);
  const folder = readBrokerConfig(directory);
  assert.is(folder.ok ? '' : renderNote(folder.errors[0]!), `${directory}: cannot be read: it is a directory`);
});

files('with CRLF, a byte order mark or bytes that are not UTF-8 are read', () => {
  assert.equal(fileErrors('brokerName=a\r\nlistenPort=10911\r\n'), []);
  assert.equal(fileErrors('\ufefflistenPort=1\n'), [
    'b.properties:1: listenPort=1: allowed: 0 or 3 to 65534; a broker also opens the ports listenPort - 2 and listenPort + 1',
  ]);
  assert.equal(fileErrors(Buffer.from('# Stra\u00dfe\nbrokerName=a\n', 'latin1')), []);
});

files('that are no configuration at all are refused in one line', () => {
  assert.match(
    fileErrors(Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0]))[0]!,
    /:1: a NUL character: not a text file$/,
  );
  assert.match(fileErrors('x'.repeat(10 * 1024 * 1024))[0]!, /: larger than 1048576 bytes: not a configuration file$/);
  assert.match(fileErrors(`a=${'x'.repeat(100_000)}`)[0]!, /:1: a line of more than 65536 characters/);
});

files('full of wrong lines give a bounded number of messages, and quickly', () => {
  const began = performance.now();
  const loaded = load(Array.from({ length: 4000 }, (_, index) => `brokerPermision${index}=1`).join('\n'));
  assert.ok(loaded.ok);
  assert.is(loaded.notes.length, NOTES_MAX + 1);
  assert.is(loaded.notes.at(-1)!.text, 'and 3900 more like these');
  assert.ok(performance.now() - began < 2000, 'unknown keys take too long');
  assert.is(errors('brokerId=x\n'.repeat(4000)).length, 1);
});

files('whose keys are names of object members are unknown keys, not members', () => {
  const loaded = load('__proto__=1\nconstructor=2\ntoString=3');
  assert.ok(loaded.ok);
  assert.equal(loaded.notes.map(renderNote), [
    'b.properties:2: unknown key __proto__',
    'b.properties:3: unknown key constructor',
    'b.properties:4: unknown key toString',
  ]);
  assert.is(Object.getPrototypeOf(loaded.value.settings), Object.prototype);
});

files('cannot send control characters to the terminal', () => {
  assert.equal(notes('foo\u001b[31m=1'), ['b.properties:2: unknown key foo\\u001b[31m']);
});

const others = suite('other files');

others('a name server has its own port, and its configStorePath is the file itself', () => {
  const loaded = loadNamesrvConfig('orderMessageEnable=true\nconfigStorePath=/elsewhere', 'conf/n.properties', {
    facts: facts(),
  });
  assert.ok(loaded.ok);
  const { listenPort, orderMessageEnable, configStorePath, kvConfigPath } = loaded.value.settings;
  assert.equal([listenPort, orderMessageEnable], [9876, true]);
  assert.is(configStorePath, '/work/conf/n.properties');
  assert.is(kvConfigPath, '/home/somebody/namesrv/kvConfig.json');
  const broker = loadNamesrvConfig('brokerRole=SLAVE', 'n', { facts: facts() });
  assert.equal(broker.notes.map(renderNote), ["n:1: brokerRole is a broker's key and is ignored here"]);
});

others('the file of the process takes keys of the process only', () => {
  const loaded = loadProcessConfig('ringBytes=1m\nlistenPort=1', 'hangar.properties', { facts: facts() });
  assert.ok(loaded.ok);
  assert.is(loaded.value.ringBytes, 1_048_576);
  assert.equal(loaded.notes.map(renderNote), ["hangar.properties:2: listenPort is a broker's key and is ignored here"]);
});

const addresses = suite('addresses');

addresses('are split at the last colon', () => {
  assert.equal(parseAddress('10.0.0.1:9876'), { host: '10.0.0.1', port: 9876 });
  assert.equal(parseAddress('[::1]:9876'), { host: '::1', port: 9876 });
  assert.equal(parseAddress('::1:9876'), { host: '::1', port: 9876 });
  for (const no of ['', ':9876', 'a:', 'a:0', 'a:65536', 'a:x', 'a b:1']) assert.is(parseAddress(no), undefined, no);
});

addresses('of this machine are chosen as Apache does', () => {
  const address = (family: 'IPv4' | 'IPv6', text: string, internal = false) =>
    ({ family, address: text, internal, netmask: '', mac: '', cidr: null, scopeid: 0 }) as never;
  const choose = (interfaces: Record<string, never[]>): string =>
    chooseLocalAddress(interfaces, (name) => name === 'docker0');
  const lo = [address('IPv4', '127.0.0.1', true), address('IPv6', '::1', true)];
  const docker0 = [address('IPv4', '172.17.0.1')];
  assert.is(choose({ lo, docker0 }), '127.0.0.1');
  assert.is(
    choose({ lo, docker0, eth0: [address('IPv4', '192.168.1.2')], tun0: [address('IPv4', '10.8.0.2')] }),
    '10.8.0.2',
  );
  assert.is(
    choose({ lo, eth0: [address('IPv4', '192.168.1.2')], eth1: [address('IPv4', '192.168.1.3')] }),
    '192.168.1.3',
  );
  assert.is(choose({ lo, eth0: [address('IPv6', 'fe80::1')] }), '[fe80::1]');
});

values.run();
wrong.run();
promises.run();
quirks.run();
spelling.run();
budgets.run();
listed.run();
files.run();
others.run();
addresses.run();
