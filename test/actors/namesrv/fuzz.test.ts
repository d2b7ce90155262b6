/**
 * Strategy: valid requests of every code with names from a small set, so that they meet; a third of them damaged in the header
 * fields, the body or the frame's bytes; connections that close, time that passes, processes that are killed.
 *
 * Invariants: the actor never throws; a request whose header can be read gets exactly one answer, with its opaque, and a
 * one-way request none; tables, indexes and counts agree with each other; no route that is answered is older than the
 * tables; nothing that was answered with success is missing from the KV configuration after a kill.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { routeOf } from '../../../src/actors/namesrv/route-body.js';
import type { NameServer } from '../../../src/actors/namesrv/processors.js';
import { type Prng, prng } from '../../../src/base/prng.js';
import { topicRouteData } from '../../../src/remoting/bodies/routes.js';
import { encodeBody } from '../../../src/remoting/body-codec.js';
import { encodeFrame, Flag } from '../../../src/remoting/command.js';
import { FRAME, headerBytes } from '../../../src/remoting/frame.js';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { HeaderKey, RequestScan } from '../../../src/remoting/request-scan.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { seedOf } from '../../support/seed.js';
import { NameServerDriver } from './driver.js';
import { type BrokerFacts, registerBody, registerHeader } from './register.js';

const ROUNDS = 6000;
const LIMITS = { topics: 12, queueRows: 20, addressesPerBroker: 3, kvEntries: 10, kvBytes: 300, routeCacheBytes: 4000 };

const CODES: readonly number[] = [
  RequestCode.GET_ROUTEINFO_BY_TOPIC,
  RequestCode.GET_BROKER_CLUSTER_INFO,
  RequestCode.UNREGISTER_BROKER,
  RequestCode.PUT_KV_CONFIG,
  RequestCode.GET_KV_CONFIG,
  RequestCode.DELETE_KV_CONFIG,
  RequestCode.GET_KVLIST_BY_NAMESPACE,
  RequestCode.WIPE_WRITE_PERM_OF_BROKER,
  RequestCode.ADD_WRITE_PERM_OF_BROKER,
  RequestCode.GET_ALL_TOPIC_LIST_FROM_NAMESERVER,
  RequestCode.DELETE_TOPIC_IN_NAMESRV,
  RequestCode.GET_TOPICS_BY_CLUSTER,
  RequestCode.GET_SYSTEM_TOPIC_LIST_FROM_NS,
  RequestCode.GET_UNIT_TOPIC_LIST,
  RequestCode.GET_HAS_UNIT_SUB_TOPIC_LIST,
  RequestCode.GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST,
  RequestCode.UPDATE_NAMESRV_CONFIG,
  RequestCode.GET_NAMESRV_CONFIG,
  RequestCode.QUERY_DATA_VERSION,
  RequestCode.SEND_MESSAGE_V2,
];

interface Ask {
  readonly code: number;
  readonly ext: Record<string, string>;
  readonly body: Buffer;
  readonly version: number;
}

const topicName = (random: Prng): string =>
  random.pick(['T', 'U', 'V', '%RETRY%g', 'ü', 'a"\\b', `t${random.below(20)}`]);

function broker(random: Prng): BrokerFacts {
  const brokerName = random.pick(['a', 'b', 'c']);
  return {
    clusterName: random.chance(0.01) ? 'E' : brokerName === 'a' ? 'C' : 'D',
    brokerName,
    brokerAddr: `10.0.0.${random.below(6)}:1`,
    brokerId: random.below(4),
    haServerAddr: 'h:1',
  };
}

function registration(random: Prng): Ask {
  const names = Array.from({ length: random.below(6) }, () => topicName(random));
  const topics = Object.fromEntries(
    names.map((name) => [name, { perm: random.below(8), topicSysFlag: random.below(4) }]),
  );
  const compressed = random.chance(0.3);
  const version = random.pick([36, 407, 407, 479]);
  const filterServers = random.pick([[], ['f:1'], ['f:1', 'f:2']]);
  const options = { counter: random.below(3), topics, filterServers, compressed, bare: version < 37 };
  const body = registerBody(options);
  return { code: RequestCode.REGISTER_BROKER, ext: registerHeader(broker(random), body, compressed), body, version };
}

function request(random: Prng): Ask {
  if (random.chance(0.4)) return registration(random);
  const { brokerId, ...facts } = broker(random);
  const ext = {
    ...facts,
    brokerId: String(brokerId),
    topic: topicName(random),
    cluster: facts.clusterName,
    namespace: random.pick(['N', 'ORDER_TOPIC_CONFIG', '__proto__']),
    key: topicName(random),
    value: 'v'.repeat(random.below(60)),
  };
  const code = random.pick(CODES);
  const body = random.pick([
    '',
    `{"counter":${random.below(3)},"timestamp":1700000000000}`,
    'orderMessageEnable=true\n',
  ]);
  return { code, ext, body: Buffer.from(body), version: random.pick([121, 317, 400, 401, 407]) };
}

/** Loses, doubles or replaces some of it. */
function damage(random: Prng, { code, ext, body, version }: Ask): Ask {
  const damaged = { ...ext };
  const key = random.pick([...Object.keys(ext), 'compressed', 'bodyCrc32']);
  const junk = ['', '-1', '9223372036854775807', 'x'.repeat(random.below(3000)), '\u0000\ud800', 'true', 'null'];
  if (random.chance(0.5)) damaged[key] = random.pick(junk);
  else delete damaged[key];
  if ('bodyCrc32' in damaged && random.chance(0.8)) damaged.bodyCrc32 = '0';
  const bytes = Buffer.from(body);
  for (let count = random.below(4); count > 0 && bytes.length > 0; count--)
    bytes[random.below(bytes.length)] = random.below(256);
  return {
    code: random.chance(0.1) ? random.below(2000) : code,
    ext: damaged,
    body: bytes.subarray(0, random.below(bytes.length + 1)),
    version,
  };
}

const fuzz = suite('name server: fuzz');

fuzz('hostile and valid requests, closes, kills and time', () => {
  const seed = seedOf('name server');
  const random = prng(seed);
  const server = new NameServerDriver(LIMITS);
  const scan = new RequestScan();
  const known = new Map<string, string | undefined>();
  for (let round = 0; round < ROUNDS; round++) {
    const what = `SEED=${seed} round ${round}`;
    try {
      const ask = random.chance(0.3) ? damage(random, request(random)) : request(random);
      const flag = random.chance(0.05) ? Flag.ONE_WAY : Flag.REQUEST;
      const serialization = random.chance(0.3) ? 1 : 0;
      const frame = encodeFrame({ ...ask, opaque: round, flag, serialization }, ask.body);
      const headerEnd = FRAME.header + headerBytes(frame.readInt32BE(FRAME.headerWord));
      if (random.chance(0.05)) frame[FRAME.header + random.below(headerEnd - FRAME.header)] = random.below(256);
      const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
      const isReadable = scan.scan(frame, view, FRAME.header, headerEnd, serialization);
      const isAnswered = isReadable && !scan.isOneWay && !scan.isResponse;
      const opaque = scan.opaque;
      server.post(1 + random.below(8), frame);
      server.settle();
      const answers = server.take();
      assert.is(answers.length, isAnswered ? 1 : 0, 'answers');
      assert.is(server.recorded.closed.splice(0).length, isReadable ? 0 : 1, 'closed connections');
      const answer = answers[0]?.command;
      if (answer !== undefined) {
        assert.is(answer.opaque, opaque);
        if (answer.code !== ResponseCode.SUCCESS) assert.ok((answer.remark ?? '') !== '', `remark of ${answer.code}`);
      }
      const isPut = scan.code === RequestCode.PUT_KV_CONFIG;
      if (isReadable && (isPut || scan.code === RequestCode.DELETE_KV_CONFIG)) {
        const entry = JSON.stringify([fieldOf(scan, 'namespace'), fieldOf(scan, 'key')]);
        // Nobody knows what became of a one-way request.
        if (answer?.code === ResponseCode.SUCCESS) known.set(entry, isPut ? fieldOf(scan, 'value') : undefined);
        else if (answer === undefined) known.delete(entry);
      }
      if (random.chance(0.02)) server.close(1 + random.below(8));
      if (random.chance(0.02)) server.advance(random.below(60_000));
      if (random.chance(0.01)) {
        server.disk.processKill();
        server.restart();
        for (const [entry, value] of known) {
          const [namespace, key] = JSON.parse(entry) as [string, string];
          assert.is(stateOf(server).kv.table.get(namespace, key), value, `KV ${entry}`);
        }
      }
      server.recorded.closed.length = 0;
      check(stateOf(server), random);
    } catch (error) {
      throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
    }
  }
});

function fieldOf(scan: RequestScan, name: string): string | undefined {
  const index = scan.findKey(new HeaderKey(name));
  return index < 0 ? undefined : scan.string(index);
}

function stateOf(server: NameServerDriver): NameServer {
  return server.state as NameServer;
}

function check({ routes, routeCache, settings, kv }: NameServer, random: Prng): void {
  let rows = 0;
  for (const [name, topic] of routes.topics) {
    assert.is(topic.name, name);
    assert.ok(topic.queues.size > 0, `${name} has rows`);
    rows += topic.queues.size;
    for (const brokerName of topic.queues.keys()) assert.ok(routes.brokers.has(brokerName), `${name} on ${brokerName}`);
    if (!random.chance(0.3)) continue;
    const { orderMessageEnable } = settings.current;
    const style = random.pick(['plain', 'standard'] as const);
    const order = orderMessageEnable ? kv.table.get('ORDER_TOPIC_CONFIG', name) : undefined;
    const fresh = encodeBody(topicRouteData, routeOf(routes, topic, order), style);
    assert.is(routeCache.body(topic, orderMessageEnable, style).toString(), fresh.toString());
    assert.ok(routeCache.usedBytes <= LIMITS.routeCacheBytes || routeCache.usedBytes === fresh.length, 'cache bound');
  }
  assert.is(routes.queueRows, rows, 'rows');
  assert.ok(routes.topics.size <= LIMITS.topics && rows <= LIMITS.queueRows, 'bounds');
  for (const { name, addresses } of routes.brokers.values()) {
    assert.ok(addresses.size > 0 && addresses.size <= LIMITS.addressesPerBroker, `addresses of ${name}`);
    for (const address of addresses.values()) assert.ok(routes.live.has(address), `${name} at ${address} can expire`);
    assert.ok(
      [...routes.clusters.values()].some((names) => names.has(name)),
      `${name} is in a cluster`,
    );
  }
  for (const [cluster, names] of routes.clusters) {
    assert.ok(names.size > 0, `${cluster} is not empty`);
    for (const name of names) assert.ok(routes.brokers.has(name), `${name} of ${cluster}`);
  }
  const { addressesByConnection } = routes as unknown as { addressesByConnection: Map<number, Set<string>> };
  let indexed = 0;
  for (const [connection, addresses] of addressesByConnection) {
    assert.ok(addresses.size > 0, `connection ${connection} has addresses`);
    for (const address of addresses) assert.is(routes.live.get(address)?.connection, connection, address);
    indexed += addresses.size;
  }
  assert.is(indexed, routes.live.size, 'live addresses by connection');
  for (const address of routes.filterServers.keys())
    assert.ok(routes.live.has(address), `filter servers of ${address}`);
}

fuzz.run();
