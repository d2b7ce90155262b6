/**
 * The same requests to Apache's servers and to ours, and every answer compared: code, remark, header fields, body. Each part
 * is a script in differential/; what may differ is listed there with its reason.
 */
import * as assert from 'uvu/assert';
import { startApacheBroker, startApacheNamesrv } from '../support/apache.js';
import { javaTools } from '../support/apache-toolchain.js';
import { hangarServers } from '../support/hangar.js';
import { differences, unintended, unseenRemarks } from './differential/compare.js';
import { PARTS } from './differential/parts.js';
import { type Outcome, Script, type Servers } from './differential/script.js';
import type { Part } from './differential/part.js';
import { type Use, serverSuite } from './harness/interop-suite.js';

const suite = await serverSuite("the same requests to Apache's broker and to ours", (await javaTools()).missing);

/** Of both brokers. A busy machine must not refuse, half messages must not be asked for, levels must not take minutes. */
const PROPERTIES = {
  brokerFastFailureEnable: 'false',
  osPageCacheBusyTimeOutMills: '60000',
  transactionCheckInterval: '600000',
  messageDelayLevel: Array(18).fill('1s').join(' '),
  enablePropertyFilter: 'true',
  traceTopicEnable: 'true',
  messageIndexSafe: 'true',
} as const;

interface Maker {
  readonly startNamesrv: (typeof hangarServers)['startNamesrv'];
  readonly startBroker: (typeof hangarServers)['startBroker'];
}

async function started(use: Use, { startNamesrv, startBroker }: Maker): Promise<Servers> {
  const { address: namesrv } = await use(startNamesrv());
  const { broker } = await use(startBroker({ name: 'broker-a', namesrv, properties: PROPERTIES }));
  const [host, port] = broker.address.split(':');
  return { namesrv, broker: broker.address, vip: `${host}:${Number(port) - 2}` };
}

async function outcomesOf(part: Part, servers: Servers): Promise<readonly Outcome[]> {
  const script = await Script.open(servers);
  try {
    await part.run(script);
    return script.outcomes;
  } finally {
    script.close();
  }
}

suite.test('are answered alike', async (use) => {
  const makers = [{ startNamesrv: startApacheNamesrv, startBroker: startApacheBroker }, hangarServers];
  const [apache, ours] = (await Promise.all(makers.map((maker) => started(use, maker)))) as [Servers, Servers];
  const problems: string[] = [];
  let cases = 0;
  for (const part of PARTS) {
    const [theirs, own] = await Promise.all([outcomesOf(part, apache), outcomesOf(part, ours)]);
    cases += theirs.length;
    const found = unintended(differences(theirs, own), part.intended);
    problems.push(...found.map((problem) => `${part.name}: ${problem}`));
  }
  problems.push(...unseenRemarks());
  assert.is(problems.join('\n'), '', `of ${cases} cases`);
});

suite.run();
