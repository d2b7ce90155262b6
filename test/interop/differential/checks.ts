/** Half messages of which nothing is heard: what their producers are asked, and what becomes of them. */
import { type Answer, pullFields, type RemotingClient, sendFields } from '../../support/remoting-client.js';
import { propertyText } from '../harness/store-filling.js';
import { Code } from './codes.js';
import { heartbeat } from './heartbeats.js';
import type { Intended, Part } from './part.js';
import type { Script } from './script.js';

const TOPIC = 'checks-topic';
const GIVEN_UP = 'TRANS_CHECK_MAX_TIME_TOPIC';
/** Old enough to be asked about, young enough not to be dropped. */
const AGE_MS = 5_000;
const COMMIT = 8;
const ROLLBACK = 12;

async function run(script: Script): Promise<void> {
  await script.createTopic(TOPIC, 2);
  const producer = await script.connect();
  await script.must(Code.HEARTBEAT, {}, { from: producer, body: heartbeat('checks@1', [], ['checks-group']) });
  await prepare(script, 'committed', 'checks-group');
  const first = await script.pushed('what the producer of the first is asked', producer);
  await end(script, producer, first, COMMIT);
  await script.holds(TOPIC, 0, 1);
  await script.ask('what was committed after a check', Code.PULL, pullFields(TOPIC, 0, 0));

  await prepare(script, 'rolled back', 'checks-group', { CHECK_IMMUNITY_TIME_IN_SECONDS: '1' });
  const second = await script.pushed('what the producer of the second is asked', producer);
  await end(script, producer, second, ROLLBACK);

  await prepare(script, 'given up', 'checks-group', { KEYS: 'k', own: 'value' });
  await script.pushed('what the producer of the third is asked', producer);
  await script.pushed('what the producer of the third is asked again', producer);
  await script.holds(GIVEN_UP, 0, 1);
  const { body } = await script.ask('what was given up', Code.PULL, pullFields(GIVEN_UP, 0, 0));
  if (body.length === 0) throw new Error('nothing was given up');
  await script.heard('what the producer is asked after that', producer);

  await prepare(script, 'of nobody', 'checks-nobody');
  await script.holds(GIVEN_UP, 0, 2);
  await script.ask('what was given up of nobody', Code.PULL, pullFields(GIVEN_UP, 0, 1));
}

async function prepare(script: Script, what: string, group: string, more: Record<string, string> = {}): Promise<void> {
  const properties = propertyText({ TRAN_MSG: 'true', PGROUP: group, UNIQ_KEY: `unique ${what}`, TAGS: 'A', ...more });
  const fields = sendFields(TOPIC, 0, properties, { g: Date.now() - AGE_MS, a: group, f: 4 });
  await script.must(Code.SEND, fields, { body: what });
}

/** As Java's client answers; nobody tells it whether that was taken. */
async function end(
  script: Script,
  producer: RemotingClient,
  { fields }: Answer,
  commitOrRollback: number,
): Promise<void> {
  const { tranStateTableOffset, commitLogOffset, msgId, transactionId } = fields as Record<string, string>;
  const said = {
    tranStateTableOffset: tranStateTableOffset!,
    commitLogOffset: commitLogOffset!,
    msgId: msgId!,
    transactionId: transactionId!,
  };
  const end = { producerGroup: 'checks-group', commitOrRollback, fromTransactionCheck: true, ...said };
  await script.must(Code.END_TRANSACTION, end, { from: producer });
}

const INTENDED: readonly Intended[] = [
  {
    at: 'body.0.properties.WAIT',
    because: 'Apache says of its own copy that nobody waited for it; the producer did not send that',
    cases: [
      'what the producer of the first is asked',
      'what the producer of the second is asked',
      'what the producer of the third is asked',
      'what the producer of the third is asked again',
    ],
  },
];

export const checks: Part = { name: 'checks of half messages', run, intended: INTENDED };
