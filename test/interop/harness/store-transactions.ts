/** Transactions in a store: half messages over the wire, their end, and answers to the broker's questions. */
import { Code, type RemotingClient, sendFields } from '../../support/remoting-client.js';
import { until } from './process.js';
import { ask, contentsOf, recordsIn } from './store-contents.js';
import { readLog, readQueueRecords, type StoredRecord } from './store-files.js';
import { propertyText } from './store-filling.js';

export const HALF = 'RMQ_SYS_TRANS_HALF_TOPIC';
export const OP = 'RMQ_SYS_TRANS_OP_HALF_TOPIC';
export const ORDERS = 'orders';
export const TRANSACTION_GROUP = 'payers';
/** A broker with these asks soon. */
export const SOON_CHECKED = { transactionCheckInterval: 1_000, transactionTimeOut: 1_000 } as const;
export const Outcome = { COMMIT: 8, ROLLBACK: 12 } as const;

const HEARTBEAT = 34;
const END_TRANSACTION = 37;
const CHECK_TRANSACTION = 39;
const CHECKED_MS = 30_000;
const PAYMENT = /pay-\d+/;
/** Characters of a message id before the physical offset, with an IPv4 host. */
const ID_HOST_CHARS = 16;

/** Bit of a client's sysFlag that says "prepared"; brokers store it as an ordinary message. */
const HALF_FLAG = 0x4;

/** Sends a half message `pay-<n>` and, unless it is to stay open, its end. */
export async function transact(client: RemotingClient, n: number, outcome: number | undefined): Promise<void> {
  const uniqueKey = `TRANSACTION${n}`;
  const group = { TRAN_MSG: 'true', PGROUP: TRANSACTION_GROUP };
  const text = propertyText({ ...group, UNIQ_KEY: uniqueKey, TAGS: 'paid', WAIT: 'true' });
  // Brokers do not ask for what was born before fileReservedTime.
  const more = { f: HALF_FLAG, g: Date.now() };
  const { fields } = await ask(client, Code.SEND, sendFields(ORDERS, 0, text, more), Buffer.from(`pay-${n}`));
  if (outcome === undefined) return;
  await ask(client, END_TRANSACTION, {
    producerGroup: TRANSACTION_GROUP,
    tranStateTableOffset: fields.queueOffset!,
    commitLogOffset: Number.parseInt(fields.msgId!.slice(ID_HOST_CHARS), 16),
    commitOrRollback: outcome,
    fromTransactionCheck: false,
    msgId: uniqueKey,
    transactionId: uniqueKey,
  });
}

/** What is in the real topic; one that was asked for twice in a row may be there twice. */
export async function committed(client: RemotingClient): Promise<Set<string>> {
  const records = recordsIn(await contentsOf(client, [{ topic: ORDERS, queueId: 0 }]));
  return new Set(records.map(({ body }) => PAYMENT.exec(body.toString('latin1'))![0]));
}

/** As a producer of the group: commits what the broker asks for, until each of these has been asked for and is committed. */
export async function commitOpen(client: RemotingClient, wanted: readonly string[]): Promise<void> {
  const beat = { clientID: 'payer', consumerDataSet: [], producerDataSet: [{ groupName: TRANSACTION_GROUP }] };
  await ask(client, HEARTBEAT, {}, Buffer.from(JSON.stringify(beat)));
  const asked = new Set<string>();
  await until('open transactions are asked for and committed', CHECKED_MS, async () => {
    for (const { code, fields, body } of client.unasked.splice(0)) {
      if (code !== CHECK_TRANSACTION) continue;
      asked.add(PAYMENT.exec(body.toString('latin1'))![0]);
      const { tranStateTableOffset, commitLogOffset, msgId, transactionId } = fields;
      client.oneWay(END_TRANSACTION, {
        producerGroup: TRANSACTION_GROUP,
        tranStateTableOffset: tranStateTableOffset!,
        commitLogOffset: commitLogOffset!,
        commitOrRollback: Outcome.COMMIT,
        fromTransactionCheck: true,
        msgId: msgId!,
        transactionId: transactionId!,
      });
    }
    const found = await committed(client);
    return wanted.every((id) => asked.has(id) && found.has(id)) ? true : undefined;
  });
}

/** Half and op messages, by way of their queues. */
export function transactionRecords(store: string): StoredRecord[] {
  const log = readLog(store);
  return [HALF, OP].flatMap((topic) => readQueueRecords(store, log, topic, 0));
}
