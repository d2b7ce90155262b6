/** The same requests to slaves of both makers, and half messages that their masters ask about. */
import * as assert from 'uvu/assert';
import { javaTools } from '../support/apache-toolchain.js';
import { checks } from './differential/checks.js';
import { compareParts, type Maker, MAKERS, PATIENT, startOne } from './differential/compared.js';
import type { Servers } from './differential/script.js';
import { prepareForSlave, slaves } from './differential/slaves.js';
import { serverSuite, type Use } from './harness/interop-suite.js';

const suite = await serverSuite("the same requests to Apache's slave and to ours", (await javaTools()).missing);

const CHECKS = { transactionCheckInterval: '1500', transactionTimeOut: '1000', transactionCheckMax: '2' } as const;

async function started(use: Use, maker: Maker): Promise<Servers> {
  const servers = await startOne(use, maker, CHECKS);
  // A slave asks for the tables when it starts, and then each 10 s.
  await prepareForSlave(servers);
  const options = { name: 'broker-a', id: 1, role: 'SLAVE', namesrv: servers.namesrv, properties: PATIENT } as const;
  const { broker } = await use(maker.startBroker(options));
  return { ...servers, slave: broker.address };
}

suite.test('are answered alike', async (use) => {
  const servers = await Promise.all(MAKERS.map((maker) => started(use, maker)));
  const { cases, problems } = await compareParts([slaves, checks], servers as [Servers, Servers]);
  assert.is(problems.join('\n'), '', `of ${cases} cases`);
});

suite.run();
