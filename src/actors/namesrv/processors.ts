/**
 * What a name server does for each request code of 4.x. Source: DefaultRequestProcessor 4.9.7. Where Apache runs into an
 * exception because a field or a body is missing, the answer says which. What is logged of a request is bounded: names that
 * the tables know, or cut.
 */
import { createHash } from 'node:crypto';
import { shown } from '../../../config/notes.js';
import { decodeRegisterBroker } from '../../remoting/bodies/register-broker.js';
import { clusterInfo, topicList } from '../../remoting/bodies/routes.js';
import { dataVersion } from '../../remoting/bodies/tables.js';
import { BodyProblem, decodeBody, encodeBody } from '../../remoting/body-codec.js';
import { decodeHeader, fieldNames, type HeaderOf, HeaderProblem } from '../../remoting/header-table.js';
import { type RequestSpec, requests } from '../../remoting/requests.js';
import { ResponseCode } from '../../remoting/response-codes.js';
import { VersionSince } from '../../remoting/version.js';
import type { Log } from '../../runtime/actor.js';
import { type Answer, fail, ok, okWhenSaved, type Request } from './answer.js';
import type { KvConfig } from './kv-config.js';
import { ORDER_TOPIC_CONFIG } from './kv-table.js';
import type { BrokerIdentity } from './registration.js';
import { clusterInfoOf } from './route-body.js';
import type { RouteCache } from './route-cache.js';
import type { Registered, RouteTable } from './route-table.js';
import type { SettingsFile } from './settings-file.js';

/** What handlers work on. */
export interface NameServer {
  readonly log: Log;
  readonly routes: RouteTable;
  readonly routeCache: RouteCache;
  readonly kv: KvConfig;
  readonly settings: SettingsFile;
  /** Monotonic ms of this turn. */
  nowMs(): number;
  /** `host:port` of the other side, for the log. */
  peer(connection: number): string;
}

type Handler = (server: NameServer, request: Request) => Answer;

/** Decodes the header first; one that lacks a field or has a malformed one never reaches `handle`. */
function on<S extends RequestSpec>(
  spec: S,
  handle: (server: NameServer, header: HeaderOf<S['header']>, request: Request) => Answer,
): readonly [number, Handler] {
  const handler: Handler = (server, request) => {
    const header = decodeHeader(spec.header as S['header'], request.scan);
    if (header instanceof HeaderProblem) return fail(ResponseCode.SYSTEM_ERROR, header.text);
    return handle(server, header, request);
  };
  return [spec.code, handler];
}

export const processors: ReadonlyMap<number, Handler> = new Map([
  on(requests.putKvConfig, (server, { namespace, key, value }) => {
    const refusal = server.kv.table.put(namespace, key, value);
    return refusal === undefined ? okWhenSaved : fail(ResponseCode.SYSTEM_ERROR, refusal);
  }),
  on(requests.getKvConfig, (server, { namespace, key }) => {
    const value = server.kv.table.get(namespace, key);
    return value === undefined
      ? fail(ResponseCode.QUERY_NOT_FOUND, `No config item, Namespace: ${namespace} Key: ${key}`)
      : ok(undefined, [[KV_VALUE.value, value]]);
  }),
  on(requests.deleteKvConfig, (server, { namespace, key }) => {
    server.kv.table.delete(namespace, key);
    return okWhenSaved;
  }),
  on(requests.getKvListByNamespace, (server, { namespace }) => {
    const body = server.kv.table.encodeNamespace(namespace);
    return body === undefined
      ? fail(ResponseCode.QUERY_NOT_FOUND, `No config item, Namespace: ${namespace}`)
      : ok(body);
  }),

  on(requests.registerBroker, register),
  on(requests.unregisterBroker, (server, { brokerName, brokerAddr, brokerId }, { connection }) => {
    const removed = server.routes.unregister(brokerName, brokerAddr, brokerId);
    if (removed !== undefined) {
      server.log.info('broker unregistered', {
        brokerName,
        brokerId,
        brokerAddr: removed,
        by: server.peer(connection),
      });
    }
    return ok();
  }),
  on(requests.queryDataVersion, (server, { brokerAddr }, { body }) => {
    const asked = decodeBody(dataVersion, body);
    if (asked instanceof BodyProblem) return fail(ResponseCode.SYSTEM_ERROR, `DataVersion as body: ${asked.text}`);
    const isChanged = server.routes.isChanged(brokerAddr, asked);
    if (!isChanged) server.routes.refresh(brokerAddr, server.nowMs());
    const known = server.routes.live.get(brokerAddr)?.dataVersion;
    return ok(known === undefined ? undefined : encodeBody(dataVersion, known), [
      [DATA_VERSION.changed, String(isChanged)],
    ]);
  }),

  on(requests.getRouteInfoByTopic, (server, { topic: name, acceptStandardJsonOnly }, { scan }) => {
    const topic = server.routes.topics.get(name);
    if (topic === undefined) {
      const advice = '\nSee http://rocketmq.apache.org/docs/faq/ for further details.';
      return fail(
        ResponseCode.TOPIC_NOT_EXIST,
        `No topic route info in name server for the topic: ${name.slice(0, NAME_CHARACTERS_QUOTED)}${advice}`,
      );
    }
    const isStandard = acceptStandardJsonOnly === true || scan.version >= VersionSince.STANDARD_JSON_ROUTE;
    const { orderMessageEnable } = server.settings.current;
    return ok(server.routeCache.body(topic, orderMessageEnable, isStandard ? 'standard' : 'plain'));
  }),
  on(requests.getBrokerClusterInfo, ({ routes }) => ok(encodeBody(clusterInfo, clusterInfoOf(routes)))),

  on(requests.wipeWritePermOfBroker, (server, { brokerName }, { connection }) => {
    const count = server.routes.setWritable(brokerName, false);
    if (count > 0)
      server.log.info('write permission wiped', { brokerName, topics: count, by: server.peer(connection) });
    return ok(undefined, [[WIPED.wipeTopicCount, String(count)]]);
  }),
  on(requests.addWritePermOfBroker, (server, { brokerName }, { connection }) => {
    const count = server.routes.setWritable(brokerName, true);
    if (count > 0)
      server.log.info('write permission added', { brokerName, topics: count, by: server.peer(connection) });
    return ok(undefined, [[ADDED.addTopicCount, String(count)]]);
  }),
  on(requests.deleteTopicInNamesrv, (server, { topic, clusterName = '' }, { connection }) => {
    const brokers = server.routes.deleteTopic(topic, clusterName === '' ? undefined : clusterName);
    if (brokers > 0) server.log.info('topic deleted', { topic, clusterName, brokers, by: server.peer(connection) });
    return ok();
  }),

  on(requests.getAllTopicListFromNameserver, ({ routes }) => topics([...routes.topics.keys()])),
  on(requests.getTopicsByCluster, ({ routes }, { cluster }) => topics(routes.topicsOfCluster(cluster))),
  on(requests.getSystemTopicListFromNs, ({ routes }) => {
    const names = new Set([...routes.clusters].flatMap(([cluster, brokerNames]) => [cluster, ...brokerNames]));
    // Any broker will do: the client asks it for its system topics (305).
    const [broker] = routes.brokers.values();
    const [address] = broker?.addresses.values() ?? [];
    return topics([...names], address);
  }),
  on(requests.getUnitTopicList, ({ routes }) => topics(routes.topicsByFlag(isUnit))),
  on(requests.getHasUnitSubTopicList, ({ routes }) => topics(routes.topicsByFlag(hasUnitSub))),
  on(requests.getHasUnitSubUnunitTopicList, ({ routes }) =>
    topics(routes.topicsByFlag((flag) => hasUnitSub(flag) && !isUnit(flag))),
  ),

  on(requests.updateNamesrvConfig, (server, _header, { body, connection }) => {
    server.log.info('settings update', { by: server.peer(connection) });
    return server.settings.update(body.toString('utf8'));
  }),
  on(requests.getNamesrvConfig, (server) => ok(Buffer.from(server.settings.text()))),
]);

export function unsupported(code: number): Answer {
  return fail(ResponseCode.REQUEST_CODE_NOT_SUPPORTED, ` request type ${code} not supported`);
}

const KV_VALUE = fieldNames(requests.getKvConfig.response);
const MASTER = fieldNames(requests.registerBroker.response);
const DATA_VERSION = fieldNames(requests.queryDataVersion.response);
const WIPED = fieldNames(requests.wipeWritePermOfBroker.response);
const ADDED = fieldNames(requests.addWritePermOfBroker.response);

const NAME_CHARACTERS_QUOTED = 512;

function register(
  server: NameServer,
  header: HeaderOf<typeof requests.registerBroker.header>,
  { scan, connection, body }: Request,
): Answer {
  const { compressed = false, bodyCrc32 = 0, ...named } = header;
  const { version } = scan;
  // Brokers repeat themselves every 30 s. A table of 10,000 topics takes 30 ms to read and 1 ms to recognise.
  const bodyDigest = createHash('sha256')
    .update(`${version} ${compressed} ${bodyCrc32} `)
    .update(body)
    .digest('base64');
  const identity: BrokerIdentity = { ...named, connection, bodyDigest };
  const repeated = server.routes.repeat(identity, server.nowMs());
  if (repeated !== undefined) return registered(server, repeated);

  const decoded = decodeRegisterBroker(body, { compressed, bodyCrc32, version });
  if (decoded instanceof BodyProblem) return fail(ResponseCode.SYSTEM_ERROR, decoded.text);
  const { dataVersion, topicConfigTable: topics } = decoded.topicConfigSerializeWrapper;
  const saysFilterServers = version >= VersionSince.REGISTER_WITH_FILTER_SERVERS;
  const filterServers = saysFilterServers ? decoded.filterServerList : undefined;
  const result = server.routes.register({ ...identity, dataVersion, topics, filterServers }, server.nowMs());
  const { brokerName, brokerId, brokerAddr } = identity;
  if (result.refusal !== undefined) {
    const who = { brokerName: shown(brokerName), brokerId, brokerAddr: shown(brokerAddr) };
    server.log.warn('registration refused', { ...who, because: result.refusal });
    return fail(ResponseCode.SYSTEM_ERROR, result.refusal);
  }
  if (result.isNew) server.log.info('broker registered', { brokerName, brokerId, brokerAddr, topics: topics.size });
  return registered(server, result);
}

function registered(server: NameServer, { haServerAddr, masterAddr }: Registered): Answer {
  const fields: [(typeof MASTER)['masterAddr'], string][] = [];
  if (haServerAddr !== undefined) fields.push([MASTER.haServerAddr, haServerAddr]);
  if (masterAddr !== undefined) fields.push([MASTER.masterAddr, masterAddr]);
  return ok(server.kv.table.encodeNamespace(ORDER_TOPIC_CONFIG), fields);
}

function topics(names: readonly string[], brokerAddr?: string): Answer {
  return ok(encodeBody(topicList, { brokerAddr, topicList: names }));
}

/** Source: TopicSysFlag.java. */
const isUnit = (flag: number): boolean => (flag & 1) !== 0;
const hasUnitSub = (flag: number): boolean => (flag & 2) !== 0;
