/** Keys of a name server. Names, types and defaults: NamesrvConfig.java of 4.9.7. */
import { join } from 'node:path';
import { computed, effective, flag, path, type SettingTable, text, without } from './setting.js';

const TEST_ENVIRONMENT = without("belongs to Alibaba's test environment");

export const namesrvSettings = {
  rocketmqHome: text(
    computed('environment variable ROCKETMQ_HOME', (facts) => facts.rocketmqHome),
    without('no installation directory is needed'),
    "Apache's installation directory.",
  ),
  kvConfigPath: path(
    computed('~/namesrv/kvConfig.json', (facts) => join(facts.home, 'namesrv', 'kvConfig.json')),
    effective,
    'File of the KV configuration. `hangar up` uses ./hangar-store/<role>/kvConfig.json, see --store.',
  ),
  configStorePath: path(
    computed('~/namesrv/namesrv.properties', (facts) => join(facts.home, 'namesrv', 'namesrv.properties')),
    without('always the file that was given with -c, as in Apache; in the store for topologies of the package'),
    'File that updateNamesrvConfig rewrites.',
  ),
  orderMessageEnable: flag(false, effective, 'Routes name the queues of ordered topics.', { live: true }),
  clusterTest: flag(false, TEST_ENVIRONMENT, 'Ask another name server for topics that are unknown here.'),
  productEnvName: text('center', TEST_ENVIRONMENT, 'Which one.'),
} as const satisfies SettingTable;
