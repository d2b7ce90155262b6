/** Apache's Go client, rocketmq-client-go v2. */
import { clientFacts, sendingFacts } from './harness/client-facts.js';
import { clusterSuite } from './harness/interop-suite.js';
import { type Client, goClient } from './harness/programs.js';

const found = await goClient();
const suite = await clusterSuite('Go client', found.missing);
const go = (): Client => (found as { client: Client }).client;

clientFacts(suite, go, 'go');
sendingFacts(suite, go, go, 'go', ['async', 'oneway', 'batch']);

suite.run();
