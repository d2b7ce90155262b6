/** Apache's C++ client core, which clients in other languages wrap: from the Python wheel rocketmq 0.4.4. */
import { basicFacts } from './harness/basic-facts.js';
import { clusterSuite } from './harness/interop-suite.js';
import { type Client, cppClient } from './harness/programs.js';

const found = await cppClient();
const suite = await clusterSuite('C++ client', found.missing, { topology: '2m-noslave' });
basicFacts(suite, () => (found as { client: Client }).client, 'cpp');
suite.run();
