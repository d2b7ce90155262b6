/**
 * The few remoting calls that the harness makes itself, to see when a server is ready. Written apart from src/remoting
 * on purpose: a mistake there must not look right here.
 */
import { connect } from 'node:net';
import { until } from './process.js';

const CREATE_TOPIC = 17;
const GET_ROUTE = 105;
const GET_BROKER_CLUSTER_INFO = 106;
const SEND_MESSAGE_V2 = 310;

export interface Answer {
  readonly code: number;
  readonly remark: string | undefined;
  readonly fields: Record<string, string>;
  readonly body: Buffer;
}

/** One request on a connection of its own. Frame: total length, header length (top byte 0: JSON), header, body. */
export function call(address: string, code: number, fields: Record<string, string>, limitMs = 3_000): Promise<Answer> {
  const [host, port] = address.split(':') as [string, string];
  const header = Buffer.from(
    JSON.stringify({ code, extFields: fields, flag: 0, language: 'JAVA', opaque: 1, version: 401 }),
  );
  const request = Buffer.alloc(8 + header.length);
  request.writeInt32BE(4 + header.length, 0);
  request.writeInt32BE(header.length, 4);
  header.copy(request, 8);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port) });
    const timer = setTimeout(
      () => socket.destroy(new Error(`${address}: no answer to ${code} in ${limitMs} ms`)),
      limitMs,
    );
    let received = Buffer.alloc(0);
    socket.once('connect', () => socket.write(request));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
        resolve(decode(received));
        socket.destroy();
      }
    });
    socket.once('error', reject);
    socket.once('close', () => {
      clearTimeout(timer);
      reject(new Error(`${address} closed the connection without an answer to ${code}`));
    });
  });
}

function decode(frame: Buffer): Answer {
  const end = 4 + frame.readInt32BE(0);
  const bodyAt = 8 + (frame.readInt32BE(4) & 0xffffff);
  const header = JSON.parse(frame.toString('utf8', 8, bodyAt));
  return {
    code: header.code,
    remark: header.remark,
    fields: header.extFields ?? {},
    body: frame.subarray(bodyAt, end),
  };
}

export interface BrokerAddress {
  readonly name: string;
  /** 0 is the master. */
  readonly id: number;
  readonly address: string;
}

/** The brokers that one name server knows, by name, then id. Fastjson writes number keys without quotes. */
export async function brokersOf(namesrv: string): Promise<BrokerAddress[]> {
  const answer = await call(namesrv, GET_BROKER_CLUSTER_INFO, {});
  if (answer.code !== 0) throw new Error(`${namesrv} answered ${answer.code} to the cluster query: ${answer.remark}`);
  const text = answer.body.toString().replace(/([{,])(\d+):/g, '$1"$2":');
  const table: Record<string, { brokerAddrs: Record<string, string> }> = JSON.parse(text).brokerAddrTable;
  return Object.entries(table)
    .flatMap(([name, data]) =>
      Object.entries(data.brokerAddrs).map(([id, address]) => ({ name, id: Number(id), address })),
    )
    .sort((a, b) => (a.name === b.name ? a.id - b.id : a.name < b.name ? -1 : 1));
}

/** Sends one empty-bodied message to the topic that every broker has under its own name; gives the response code. */
export async function probeSend(broker: BrokerAddress): Promise<number> {
  const fields = { a: 'harness', b: broker.name, c: 'TBW102', d: '1', e: '0', f: '0', g: String(Date.now()) };
  const answer = await call(broker.address, SEND_MESSAGE_V2, {
    ...fields,
    h: '0',
    i: '',
    j: '0',
    k: 'false',
    m: 'false',
  });
  return answer.code;
}

/** Creates a topic with `queues` queues on every master and waits until every name server routes it to all of them. */
export async function createTopic(
  cluster: { readonly namesrv: string; readonly brokers: readonly BrokerAddress[] },
  topic: string,
  queues = 4,
): Promise<void> {
  const masters = cluster.brokers.filter((broker) => broker.id === 0);
  for (const master of masters) {
    const count = String(queues);
    const fields = { topic, defaultTopic: 'TBW102', readQueueNums: count, writeQueueNums: count, perm: '6' };
    const rest = { topicFilterType: 'SINGLE_TAG', topicSysFlag: '0', order: 'false' };
    const answer = await call(master.address, CREATE_TOPIC, { ...fields, ...rest });
    if (answer.code !== 0)
      throw new Error(`${master.address} answered ${answer.code} to create ${topic}: ${answer.remark}`);
  }
  for (const namesrv of cluster.namesrv.split(';')) {
    await until(`${namesrv} routes ${topic} to ${masters.length} brokers`, 10_000, async () => {
      const answer = await call(namesrv, GET_ROUTE, { topic });
      const routed = answer.body.toString().split('"readQueueNums"').length - 1;
      return routed === masters.length ? true : undefined;
    });
  }
}
