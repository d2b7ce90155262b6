/** What must hold while a cluster suffers, when it is quiet again, and in the stores that it leaves behind. */
import { messagesOf, pullFields, PullFlag } from '../support/remoting-client.js';
import type { HostState } from '../../src/actors/queue/host-state.js';
import type { BrokerState } from '../../src/actors/broker/state.js';
import { PORT_KIND } from '../../src/actors/front/connection-messages.js';
import type { Connection } from '../../src/actors/front/connection.js';
import type { FrontState } from '../../src/actors/front/state.js';
import { indexKeyHashOf } from '../../src/message/java-hash.js';
import { bodyOf, textOf, violated } from './ledger.js';
import { HOST, MASTERS, type Master, NAME_SERVER_PORTS, type Role, ROLES, SLAVE_OF } from './sim-cluster.js';
import {
  logBytes,
  queueKey,
  readConsumeQueue,
  readIndex,
  readLog,
  type StoredLog,
  type StoredMessage,
  storedQueues,
} from './stored.js';
import { WireClient } from './wire-client.js';
import type { World } from './world.js';

const PULL = 11;
const ROUTE = 105;
const CLUSTER_INFO = 106;
const LIMIT_MS = 60_000;
const SETTLE_MS = 100;

/** The slave's log is a prefix of its master's. Looks at what was added since the last time. */
export class PrefixCheck {
  private readonly checked = new Map<Master, number>();

  constructor(private readonly world: World) {}

  check(): void {
    const { cluster, ledger } = this.world;
    for (const master of MASTERS) {
      const slave = SLAVE_OF[master];
      const from = this.checked.get(master) ?? 0;
      const { end } = readLog(cluster.diskOf(slave), ledger.logOf(slave), from);
      const copy = logBytes(cluster.diskOf(slave), ledger.logOf(slave), from, end);
      const original = logBytes(cluster.diskOf(master), ledger.logOf(master), from, end);
      if (!copy.equals(original)) {
        violated(`${slave} differs from its master's log somewhere in [${from}, ${end})`);
      }
      this.checked.set(master, end);
    }
  }
}

/** Waits until slaves and consumers have everything and every unit serves. */
export async function becomeQuiet(world: World): Promise<void> {
  const { simulation, cluster } = world;
  world.isQuiet = true;
  // What the last fault did is heard of, a thread that died is there again, and nothing is slow any more.
  await simulation.runFor(SETTLE_MS + Math.max(0, world.troubledUntilMs - simulation.time.monotonic()));
  if (!cluster.process.isUp && cluster.process.isOver) cluster.process.begin();
  await simulation.runUntil('the cluster is up', () => cluster.process.isUp, 2 * LIMIT_MS);
  world.isSending = false;
  const isQuiet = (): boolean =>
    cluster.process.current.health.every((word) => word === 1) &&
    world.openSends() === 0 &&
    world.delayers.every(({ isDelivered }) => isDelivered) &&
    MASTERS.every((master) => hasCaughtUp(world, master));
  await simulation.runUntil('every unit serves, every send is answered, slaves have caught up', isQuiet, 2 * LIMIT_MS);
}

function brokerState(world: World, role: Role): BrokerState | undefined {
  return world.cluster.brokerState(role);
}

function hasCaughtUp(world: World, master: Master): boolean {
  const slaveEnd = brokerState(world, SLAVE_OF[master])?.log.writtenOffset;
  return slaveEnd !== undefined && slaveEnd === brokerState(world, master)?.log.writtenOffset;
}

// ---- over the network

interface Called {
  readonly code: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: Buffer;
  readonly remark: string;
}

/** One client of its own for checks: calls in turn. */
class Prober {
  private readonly client: WireClient;

  constructor(
    private readonly world: World,
    private readonly where: string,
    port: number,
  ) {
    this.client = new WireClient(world.simulation, port, '10.9.9.9', () => undefined);
  }

  async call(code: number, fields: Readonly<Record<string, string | number | boolean>>): Promise<Called> {
    let called: Called | undefined;
    let isOver = false;
    this.client.call(code, fields, undefined, (answer) => {
      called = answer;
      isOver = true;
    });
    await this.world.simulation.runUntil(`${this.where} answers ${code}`, () => isOver, 10_000);
    if (called === undefined) violated(`${this.where}: the connection ended instead of an answer to ${code}`);
    return called;
  }

  close(): void {
    this.client.close('end');
  }
}

/** Both name servers know all brokers, and route every topic to the pairs that have it. */
export async function checkRoutes(world: World): Promise<void> {
  const { simulation } = world;
  for (const port of NAME_SERVER_PORTS) {
    const prober = new Prober(world, `name server ${port}`, port);
    // A name server that has restarted knows a broker again when it registers, each 30 s at least.
    const endMs = simulation.time.monotonic() + LIMIT_MS;
    let problem: string | undefined;
    do {
      problem = await routeProblem(world, prober);
      if (problem !== undefined) await simulation.runFor(1000);
    } while (problem !== undefined && simulation.time.monotonic() < endMs);
    if (problem !== undefined) violated(`name server ${port}: ${problem}`);
    prober.close();
  }
}

/** Fastjson writes map keys that are numbers without quotes. */
function parseFastjson(body: Buffer): unknown {
  return JSON.parse(body.toString('utf8').replace(/([{,])(\d+):/g, '$1"$2":'));
}

interface BrokerData {
  readonly brokerName: string;
  readonly brokerAddrs: Readonly<Record<string, string>>;
}

async function routeProblem(world: World, prober: Prober): Promise<string | undefined> {
  const { cluster, ledger } = world;
  const expected = (master: Master): string =>
    [master, SLAVE_OF[master]].map((role) => `${HOST}:${cluster.settingsOf(role).listenPort}`).join(' ');
  const given = ({ brokerAddrs }: BrokerData): string => `${brokerAddrs['0']} ${brokerAddrs['1']}`;
  const info = await prober.call(CLUSTER_INFO, {});
  const { brokerAddrTable } = parseFastjson(info.body) as { brokerAddrTable: Record<string, BrokerData> };
  for (const master of MASTERS) {
    const data = brokerAddrTable[master];
    if (data === undefined || given(data) !== expected(master)) return `${master} is listed as ${JSON.stringify(data)}`;
  }
  for (const topic of world.topics) {
    const masters = MASTERS.filter((master) =>
      ledger.sent.some((one) => one.topic === topic && one.master === master && one.fate === 'stored'),
    );
    const route = await prober.call(ROUTE, { topic });
    if (masters.length === 0) continue;
    if (route.code !== 0) return `no route of ${topic}: ${route.code} ${route.remark}`;
    const { brokerDatas, queueDatas } = parseFastjson(route.body) as {
      brokerDatas: BrokerData[];
      queueDatas: { brokerName: string }[];
    };
    for (const master of masters) {
      const data = brokerDatas.find(({ brokerName }) => brokerName === master);
      if (data === undefined || given(data) !== expected(master))
        return `${topic}: ${master} is routed as ${JSON.stringify(data)}`;
      if (!queueDatas.some(({ brokerName }) => brokerName === master)) return `${topic}: no queues of ${master}`;
    }
  }
  return undefined;
}

/** Whoever reads a queue from its begin gets what the log says, on master and slave. */
export async function checkPulls(world: World): Promise<void> {
  const { cluster, ledger } = world;
  const topics = [...world.topics, ...world.guests.flatMap((guest) => guest.topics)];
  for (const role of ROLES) {
    const queues = queuesOf(readLog(cluster.diskOf(role), ledger.logOf(role)));
    const prober = new Prober(world, role, cluster.settingsOf(role).listenPort);
    for (const messages of queues.values()) {
      const { topic, queueId } = messages[0]!;
      if (!topics.includes(topic)) continue;
      await world.simulation.runUntil(
        `${role} knows ${topic}`,
        () => brokerState(world, role)?.topics.get(topic)?.config !== undefined,
        LIMIT_MS,
      );
      await readThrough(prober, role, topic, queueId, messages);
    }
    prober.close();
  }
}

async function readThrough(
  prober: Prober,
  role: Role,
  topic: string,
  queueId: number,
  messages: readonly StoredMessage[],
): Promise<void> {
  let next = 0;
  const more = { consumerGroup: 'checker', maxMsgNums: 100, sysFlag: PullFlag.subscription };
  for (;;) {
    const answer = await prober.call(PULL, pullFields(topic, queueId, next, more));
    if (answer.code === 19) break;
    if (answer.code !== 0) {
      violated(`${role} ${queueKey(topic, queueId)}: a pull at ${next} is answered ${answer.code}: ${answer.remark}`);
    }
    for (const found of messagesOf(answer.body)) {
      const stored = messages[next];
      if (stored === undefined || found.queueOffset !== next || found.physicalOffset !== stored.physicalOffset) {
        violated(`${role} ${queueKey(topic, queueId)} ${next}: pulled ${found.queueOffset} at ${found.physicalOffset}`);
      }
      if (!found.body.equals(stored.body)) violated(`${role} ${queueKey(topic, queueId)} ${next}: another body`);
      next++;
    }
    if (Number(answer.fields.nextBeginOffset) !== next)
      violated(`${role} ${queueKey(topic, queueId)}: next offset ${next}`);
  }
  if (next !== messages.length)
    violated(`${role} ${queueKey(topic, queueId)}: ${next} pulled, ${messages.length} stored`);
}

/** Nobody is connected any more: nothing is left of anybody, once the last bytes are on their way. */
export async function checkNothingHeld(world: World): Promise<void> {
  const { simulation } = world;
  const endMs = simulation.time.monotonic() + LIMIT_MS;
  // Answers to somebody who reads slowly are still on their way.
  const front = world.cluster.process.stateOf('front') as FrontState;
  while (outsideOf(front).length > 0 && simulation.time.monotonic() < endMs) await simulation.runFor(500);
  await simulation.runFor(SETTLE_MS);
  const leaks = leaksOf(world);
  if (leaks.length > 0) violated(`all clients have left, and these are still there: ${leaks.join('; ')}`);
}

/** Both ends of those that a broker dialed while the other one's ports were being bound again: they went by the network. */
function toItself({ connections }: FrontState): Connection[] {
  const ends = [...connections.values()].filter(({ isLoopback }) => !isLoopback);
  const between = (from: number, to: number): string => `${from} ${to}`;
  const places = new Set(ends.map(({ socket: { localPort, remotePort } }) => between(localPort, remotePort)));
  return ends.filter(({ socket: { localPort, remotePort } }) => places.has(between(remotePort, localPort)));
}

function outsideOf(front: FrontState): Connection[] {
  const own = new Set(toItself(front));
  return [...front.connections.values()].filter((one) => !one.isLoopback && !own.has(one));
}

function leaksOf(world: World): string[] {
  const { cluster } = world;
  const front = cluster.process.stateOf('front') as FrontState;
  const leaks: string[] = [];
  const outside = outsideOf(front);
  if (outside.length > 0) leaks.push(`front: connections ${outside.map(({ id }) => id)}`);
  const ofOurOwn = toItself(front).filter(({ portKind }) => portKind !== PORT_KIND.dialed);
  const accepted = front.acceptedCount - ofOurOwn.length;
  if (accepted !== 0) leaks.push(`front: ${accepted} accepted connections`);
  if (front.lingering.size > 0) leaks.push(`front: ${front.lingering.size} lingering`);
  for (const role of ROLES) {
    const broker = brokerState(world, role)!;
    for (const id of broker.connections.keys()) if (!front.connections.has(id)) leaks.push(`${role}: connection ${id}`);
    if (broker.clients.consumers.size > 0)
      leaks.push(`${role}: consumer groups ${[...broker.clients.consumers.keys()]}`);
    if (!broker.written.isEmpty || !broker.waiting.isEmpty) leaks.push(`${role}: answers wait`);
    for (const name of cluster.queueHostsOf(role)) {
      const host = cluster.process.stateOf(name) as HostState;
      if (host.heldCount > 0 || host.heldByConnection.size > 0) leaks.push(`${name}: ${host.heldCount} held pulls`);
      if (host.deferred.length > 0 || host.woken.length > 0) leaks.push(`${name}: pulls in between`);
      for (const candidates of host.queues.values()) {
        for (const queue of candidates)
          if (queue.held.size > 0) leaks.push(`${name}: ${queue.topic}-${queue.queueId} holds pulls`);
      }
    }
  }
  return leaks;
}

// ---- in the stores

function queuesOf(log: StoredLog): Map<string, StoredMessage[]> {
  const queues = new Map<string, StoredMessage[]>();
  for (const message of log.messages) {
    const key = queueKey(message.topic, message.queueId);
    const queue = queues.get(key);
    if (queue === undefined) queues.set(key, [message]);
    else queue.push(message);
  }
  return queues;
}

/** The logs: everything acknowledged is there once, queue offsets are dense, slaves are equal to their masters. */
export function checkLogs(world: World): void {
  const { cluster, ledger } = world;
  for (const master of MASTERS) {
    const log = readLog(cluster.diskOf(master), ledger.logOf(master));
    const copy = readLog(cluster.diskOf(SLAVE_OF[master]), ledger.logOf(SLAVE_OF[master]));
    if (copy.end !== log.end) violated(`${SLAVE_OF[master]} ends at ${copy.end}, its master at ${log.end}`);
    const bytes = (role: Role): Buffer => logBytes(cluster.diskOf(role), ledger.logOf(role), 0, log.end);
    if (!bytes(master).equals(bytes(SLAVE_OF[master]))) violated(`${SLAVE_OF[master]} differs from its master`);
    for (const [key, messages] of queuesOf(log)) {
      for (const [index, { queueOffset }] of messages.entries()) {
        if (queueOffset !== index) violated(`${master} ${key}: offset ${queueOffset} follows ${index} messages`);
      }
    }
    checkMessages(world, master, log);
    checkSeen(world, master, log);
  }
}

function checkMessages(world: World, master: Master, log: StoredLog): void {
  const { ledger } = world;
  const stored = new Map<number, StoredMessage>();
  for (const message of log.messages) {
    if (!world.topics.includes(message.topic)) continue;
    const id = Number.parseInt(message.body.toString('latin1', 0, Math.min(12, message.body.length)), 10);
    const sent = ledger.sent[id];
    if (sent === undefined || !message.body.equals(bodyOf(sent)) || sent.master !== master) {
      violated(`${master} holds something that nobody sent at ${message.physicalOffset}`);
    }
    if (sent.fate === 'refused') violated(`${master} holds ${textOf(sent)} at ${message.physicalOffset}`);
    if (!message.properties.split('\u0002').includes(`UNIQ_KEY\u0001U${id}`)) {
      violated(`${master} holds ${textOf(sent)} with the properties ${JSON.stringify(message.properties)}`);
    }
    if (stored.has(id)) violated(`${master} holds ${textOf(sent)} twice`);
    stored.set(id, message);
  }
  for (const sent of ledger.sent) {
    if (sent.master !== master || sent.fate !== 'stored') continue;
    const found = stored.get(sent.id);
    if (found?.physicalOffset !== sent.physicalOffset)
      violated(`${textOf(sent)} was acknowledged, and lies at ${found?.physicalOffset}`);
    ledger.checkSame(sent, found, master);
  }
}

/** What consumers saw is what the log says. */
function checkSeen(world: World, master: Master, log: StoredLog): void {
  const { ledger } = world;
  const queues = queuesOf(log);
  const idAt = (key: string, offset: number): number =>
    Number.parseInt(queues.get(key)?.[offset]?.body.toString('latin1', 0, 12) ?? '', 10);
  for (const [place, seen] of ledger.everythingSeen()) {
    const [owner, key] = [place.slice(0, place.indexOf('/')), place.slice(place.indexOf('/') + 1)];
    if (owner !== master) continue;
    for (const [offset, id] of seen) {
      if (idAt(key, offset) !== id) violated(`${place} ${offset}: a consumer got message ${id}, the log has another`);
    }
  }
  for (const { role, topic, queueId, tag, from, next, ids } of ledger.filtered) {
    if (role !== master && role !== SLAVE_OF[master]) continue;
    const key = queueKey(topic, queueId);
    const passing: number[] = [];
    for (let offset = from; offset < next; offset++) {
      const id = idAt(key, offset);
      if (ledger.sent[id]?.tag === tag) passing.push(id);
    }
    if (String(passing) !== String(ids)) {
      violated(`${role} ${key}: a pull of ${tag} for [${from}, ${next}) gave ${ids}, and ${passing} have it`);
    }
  }
}

/** The consume queues of every store say what its log says. For stores that were closed or recovered. */
export function checkConsumeQueues(world: World): void {
  const { cluster, ledger } = world;
  for (const role of ROLES) {
    const disk = cluster.diskOf(role);
    const { storePathRootDir } = cluster.settingsOf(role);
    const queues = queuesOf(readLog(disk, ledger.logOf(role)));
    for (const [key, messages] of queues) {
      const { topic, queueId } = messages[0]!;
      const { entries } = readConsumeQueue(disk, storePathRootDir, topic, queueId);
      const expected = messages.map(({ physicalOffset, sizeBytes }) => `${physicalOffset}:${sizeBytes}`);
      const at = expected.findIndex((entry, index) => entries[index] !== entry);
      if (at >= 0) violated(`${role} ${key}: entry ${at} is ${entries[at]}, the log has ${expected[at]}`);
      if (entries.length !== expected.length)
        violated(`${role} ${key}: ${entries.length} entries, ${expected.length} messages`);
    }
    for (const key of storedQueues(disk, storePathRootDir)) {
      if (queues.has(key)) continue;
      const at = key.lastIndexOf('-');
      const { entries } = readConsumeQueue(disk, storePathRootDir, key.slice(0, at), Number(key.slice(at + 1)));
      if (entries.length > 0) violated(`${role} ${key}: ${entries.length} entries, and no message in the log`);
    }
  }
}

/**
 * The key indexes of stores that were closed in order hold every key of their logs, in its order. Perhaps twice, as in
 * Apache's: the message with which a file became full is indexed again after a crash.
 */
export function checkIndexes(world: World): void {
  const { cluster, ledger } = world;
  for (const role of ROLES) {
    const { storePathRootDir, maxHashSlotNum } = cluster.settingsOf(role);
    const entries = readIndex(cluster.diskOf(role), storePathRootDir, maxHashSlotNum);
    const behind = entries.findIndex(({ offset }, at) => at > 0 && offset < entries[at - 1]!.offset);
    if (behind >= 0) violated(`${role}: index entry ${behind} of ${entries[behind]!.offset} lies behind a later one`);
    const known = new Set(entries.map(({ offset, keyHash }) => `${offset} ${keyHash}`));
    const expected = new Set<string>();
    for (const { topic, properties, physicalOffset, sysFlag } of readLog(cluster.diskOf(role), ledger.logOf(role))
      .messages) {
      for (const key of (sysFlag & 0xc) === 0xc ? [] : keysOf(properties)) {
        expected.add(`${physicalOffset} ${indexKeyHashOf(topic, key)}`);
      }
    }
    for (const one of expected) if (!known.has(one)) violated(`${role}: the index misses ${one}`);
    for (const one of known) if (!expected.has(one)) violated(`${role}: the index has ${one}, which is no key`);
  }
}

function keysOf(properties: string): string[] {
  return properties.split('\u0002').flatMap((item) => {
    const [name, value = ''] = item.split('\u0001');
    if (name === 'UNIQ_KEY') return [value];
    return name === 'KEYS' ? value.split(' ').filter((word) => word !== '') : [];
  });
}

/** After an orderly stop no store looks like one of a crash, and a start finds nothing to do. */
export function checkCleanStores(world: World): void {
  const { cluster } = world;
  for (const role of ROLES) {
    if (cluster.diskOf(role).stat(`${cluster.settingsOf(role).storePathRootDir}/abort`) !== undefined) {
      violated(`${role}: an abort file is left after an orderly stop`);
    }
    const { abnormal, problems, dispatchedRecords } = cluster.recovered(role);
    if (abnormal || problems.length > 0 || dispatchedRecords > 0) {
      violated(
        `${role} is recovered after an orderly stop: ${JSON.stringify({ abnormal, problems, dispatchedRecords })}`,
      );
    }
  }
}

/** Nobody has a file open. Not asked after the death of a thread: its files are closed with it on a real machine only. */
export function checkFilesClosed({ cluster }: World): void {
  const open = cluster.process.disk.openFiles();
  if (open > 0) violated(`${open} files are still open after an orderly stop`);
}

/** After a kill a recovery finds everything, and says nothing of damage. */
export function checkRecovery(world: World): void {
  const { cluster, ledger } = world;
  for (const role of ROLES) {
    const { endOffset, problems, abnormal } = cluster.recovered(role);
    const { end } = readLog(cluster.diskOf(role), ledger.logOf(role));
    if (!abnormal) violated(`${role} was killed, and its store looks closed`);
    if (endOffset !== end || problems.length > 0) {
      violated(`${role} recovers up to ${endOffset}, its log ends at ${end}: ${JSON.stringify(problems)}`);
    }
  }
}
