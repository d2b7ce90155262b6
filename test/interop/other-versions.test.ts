/** Apache's Java client as it was (4.4.0, with the netty of 4.9.7) and as it is today (5.5.0, in its remoting mode). */
import { basicFacts } from './harness/basic-facts.js';
import { clusterSuite } from './harness/interop-suite.js';
import { type Client, javaClientOf } from './harness/programs.js';

for (const [version, prefix] of [
  ['5.5.0', 'java5'],
  ['4.4.0', 'java44'],
] as const) {
  const found = await javaClientOf(version);
  const suite = await clusterSuite(`Java client ${version}`, found.missing, { topology: '2m-noslave' });
  basicFacts(suite, () => (found as { client: Client }).client, prefix);
  suite.run();
}
