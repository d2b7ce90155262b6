/** Half messages and how END_TRANSACTION ends them, or does not. */
import { type Answer, type Fields, pullFields, sendFields } from '../../support/remoting-client.js';
import { propertyText } from '../harness/store-filling.js';
import { Code } from './codes.js';
import type { Intended, Part } from './part.js';
import type { Script } from './script.js';

const TOPIC = 'transactions-topic';
const HALF = 'RMQ_SYS_TRANS_HALF_TOPIC';
const GROUP = 'transactions-producer';
const End = { UNKNOWN: 0, PREPARED: 4, COMMIT: 8, ROLLBACK: 12 } as const;

const half = (more: Record<string, string> = {}): string =>
  propertyText({ TRAN_MSG: 'true', PGROUP: GROUP, UNIQ_KEY: 'U1', TAGS: 'A', ...more });

async function prepare(script: Script, what: string, properties = half(), more: Fields = {}): Promise<Answer> {
  return await script.ask(what, Code.SEND, sendFields(TOPIC, 0, properties, { g: 1234, a: GROUP, ...more }), {
    body: 'hello',
  });
}

/** As Java's client fills it: the queue offset of the answer, the place in the log out of the message id. */
function endFields({ fields }: Answer, commitOrRollback: number): Record<string, string | number | boolean> {
  return {
    producerGroup: GROUP,
    tranStateTableOffset: fields.queueOffset!,
    commitLogOffset: Number.parseInt(fields.msgId!.slice(16), 16),
    commitOrRollback,
    fromTransactionCheck: false,
    msgId: 'U1',
    transactionId: 'U1',
  };
}

async function run(script: Script): Promise<void> {
  await script.createTopic(TOPIC);
  await script.createTopic('transactions-multi-tag', 1, { topicFilterType: 'MULTI_TAG' });
  const first = await prepare(script, 'a half message');
  await halfStored(script, 'a half message', first);
  const end = (what: string, of: Answer, how: number, more: Fields = {}) =>
    script.mayAsk(what, Code.END_TRANSACTION, { ...endFields(of, how), ...more });
  await end('an unknown state', first, End.UNKNOWN);
  await end('an unknown state after a check', first, End.UNKNOWN, { fromTransactionCheck: true });
  await end('a state that is none', first, 5);
  await end('a state that is none, after a check', first, 5, { fromTransactionCheck: true });
  await end('the state of half messages', first, End.PREPARED);
  await end('a commit by another group', first, End.COMMIT, { producerGroup: 'someone-else' });
  await end('a commit with another queue offset', first, End.COMMIT, { tranStateTableOffset: 99 });
  await end('a commit with a place where nothing is', first, End.COMMIT, { commitLogOffset: 1_000_000_000 });
  await end('a commit with a place below 0', first, End.COMMIT, { commitLogOffset: -1 });
  await end('a commit with a place inside a message', first, End.COMMIT, {
    commitLogOffset: Number(endFields(first, 8).commitLogOffset) + 4,
  });
  await end('a rollback by another group', first, End.ROLLBACK, { producerGroup: 'someone-else' });
  await end('a rollback with a place where nothing is', first, End.ROLLBACK, { commitLogOffset: 1_000_000_000 });
  await end('a commit', first, End.COMMIT);
  await script.holds(TOPIC, 0, 1);
  await script.ask('what was committed', Code.PULL, pullFields(TOPIC, 0, 0));
  await end('a second commit', first, End.COMMIT);
  await end('a rollback after a commit', first, End.ROLLBACK);

  const second = await prepare(script, 'a half message, asked about');
  await end('a commit after a check', second, End.COMMIT, { fromTransactionCheck: true });
  const third = await prepare(script, 'a half message to roll back', half({ WAIT: 'true', KEYS: 'k' }), {
    f: 1,
    h: 5,
    j: 2,
  });
  await end('a rollback', third, End.ROLLBACK);
  await end('a rollback after a check', third, End.ROLLBACK, { fromTransactionCheck: true });
  const fourth = await prepare(script, 'a half message without a group', propertyText({ TRAN_MSG: 'true' }));
  await end('a commit of one without a group', fourth, End.COMMIT);
  const fifth = await prepare(script, 'a half message by property, committed by system flag', half(), { f: 8 });
  await end('a commit without saying whether it was checked', fifth, End.COMMIT);
  const sixth = await prepare(script, 'a half message of several tags', half(), { b: 'transactions-multi-tag' });
  await end('a commit of several tags', sixth, End.COMMIT);
  await script.holds('transactions-multi-tag', 0, 1);
  await script.ask('what was committed of several tags', Code.PULL, pullFields('transactions-multi-tag', 0, 0));
  const plain = await script.store(TOPIC, 0, { PGROUP: GROUP });
  await end('a commit of a message that is no half', plain, End.COMMIT);

  await prepare(script, 'TRAN_MSG in capitals', propertyText({ TRAN_MSG: 'TRUE', PGROUP: GROUP }));
  await prepare(script, 'TRAN_MSG that says yes', propertyText({ TRAN_MSG: 'yes', PGROUP: GROUP }));
  await prepare(script, 'a half message to any queue', half(), { e: -1 });
  await prepare(script, 'a half message to a new topic', half(), { b: 'transactions-new' });
  await prepare(script, 'a half message to a retry topic', half(), { b: '%RETRY%transactions' });
  await prepare(script, 'a half message with places of its own', half({ REAL_TOPIC: 'x', REAL_QID: '77' }));
  await prepare(script, 'a half message with an empty body');
  for (const without of [
    'producerGroup',
    'tranStateTableOffset',
    'commitLogOffset',
    'commitOrRollback',
    'fromTransactionCheck',
    'msgId',
    'transactionId',
  ]) {
    const of = await prepare(script, `a half message that is ended without ${without}`);
    const fields = Object.entries(endFields(of, End.COMMIT)).filter(([name]) => name !== without);
    await script.mayAsk(`an end without ${without}`, Code.END_TRANSACTION, Object.fromEntries(fields));
  }
  await script.mayAsk('an end without fields', Code.END_TRANSACTION);
  const last = await prepare(script, 'a half message, ended one-way');
  const { fields } = await script.must(Code.MAX_OFFSET, { topic: TOPIC, queueId: 0 });
  await script.mayAsk('a commit that wants no answer', Code.END_TRANSACTION, endFields(last, End.COMMIT), { flag: 2 });
  await script.holds(TOPIC, 0, Number(fields.offset) + 1);
  const ended = await prepare(script, 'a half message, ended with the ROCKETMQ serialization');
  await script.mayAsk('a commit with the ROCKETMQ serialization', Code.END_TRANSACTION, endFields(ended, End.COMMIT), {
    binary: true,
  });
  await script.holds(TOPIC, 0, Number(fields.offset) + 2);
  await script.ask('all that was committed', Code.PULL, pullFields(TOPIC, 0, 0));
  const delayed = await prepare(script, 'a half message with a delay', half({ DELAY: '9' }));
  await end('its commit', delayed, End.COMMIT);
  await resumed(script, first);
  await script.must(Code.UPDATE_CONFIG, {}, { body: 'rejectTransactionMessage=true\n' });
  await prepare(script, 'a half message where none are taken');
  await script.must(Code.UPDATE_CONFIG, {}, { body: 'rejectTransactionMessage=false\n' });
}

/** By its place in the log: Apache's broker knows the topic of half messages only once it has looked through it. */
async function halfStored(script: Script, what: string, answer: Answer): Promise<void> {
  await script.holds(HALF, 0, Number(answer.fields.queueOffset) + 1);
  await script.ask(`${what}: stored`, Code.VIEW, { offset: endFields(answer, End.COMMIT).commitLogOffset! });
}

async function resumed(script: Script, { fields }: Answer): Promise<void> {
  const msgId = fields.msgId!;
  await script.ask('checks resumed of a half message', Code.RESUME_CHECK, { msgId });
  await script.ask('checks resumed of no message', Code.RESUME_CHECK);
  await script.ask('checks resumed of what is no id', Code.RESUME_CHECK, { msgId: 'x' });
  await script.ask('checks resumed where nothing is', Code.RESUME_CHECK, {
    msgId: `${msgId.slice(0, 16)}00000000FFFFFFFF`,
  });
}

const INTENDED: readonly Intended[] = [
  {
    at: 'fields.queueOffset',
    because:
      'Apache puts a half message with a level into the schedule topic, and what is committed goes to the topic of half messages: nobody gets it. With ours the level counts after the commit; Java clients take it away',
    cases: ['a half message with a delay'],
  },
  {
    at: 'code',
    because:
      'Apache makes a half message of any message that an id names; ours of one that was given up, which is what the command is for',
    cases: ['checks resumed of a half message'],
  },
];

export const transactions: Part = { name: 'transactions', run, intended: INTENDED };
