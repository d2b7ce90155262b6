/** ali-ons, the Node client. It needs nothing that is not in the development dependencies, so it always runs. */
import { clientFacts } from './harness/client-facts.js';
import { clusterSuite } from './harness/interop-suite.js';
import { aliOnsClient } from './harness/programs.js';

const suite = await clusterSuite('ali-ons', undefined);
const client = aliOnsClient();

clientFacts(suite, () => client, 'ali-ons');

suite.run();
