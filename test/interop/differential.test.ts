/**
 * The same requests to Apache's servers and to ours, and every answer compared: code, remark, header fields, body. Each part
 * is a script in differential/; what may differ is listed there with its reason.
 */
import * as assert from 'uvu/assert';
import { javaTools } from '../support/apache-toolchain.js';
import { unseenRemarks } from './differential/compare.js';
import { compareParts, MAKERS, startOne } from './differential/compared.js';
import { PARTS } from './differential/parts.js';
import type { Servers } from './differential/script.js';
import { serverSuite } from './harness/interop-suite.js';

const suite = await serverSuite("the same requests to Apache's broker and to ours", (await javaTools()).missing);

/** Half messages must not be asked for, and levels must not take minutes. */
const PROPERTIES = {
  transactionCheckInterval: '600000',
  messageDelayLevel: Array(18).fill('1s').join(' '),
  enablePropertyFilter: 'true',
  traceTopicEnable: 'true',
  messageIndexSafe: 'true',
} as const;

suite.test('are answered alike', async (use) => {
  const servers = await Promise.all(MAKERS.map((maker) => startOne(use, maker, PROPERTIES)));
  const { cases, problems } = await compareParts(PARTS, servers as [Servers, Servers]);
  assert.is([...problems, ...unseenRemarks()].join('\n'), '', `of ${cases} cases`);
});

suite.run();
