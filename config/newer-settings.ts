/**
 * Keys of Apache's later versions that files of mixed clusters contain. Two of them name what 4.9.7 can only set by Java
 * system properties and are therefore useful here; the others belong to functions that 4.9 does not have.
 */
import {
  computed,
  effective,
  flag,
  int,
  millis,
  percent,
  refuseAbove,
  refuseTrue,
  type SettingTable,
  text,
  without,
} from './setting.js';

const FIVE = { since: '5.x' };
const TIMERS = without('timer messages are a function of 5.x');
const V2 = without('records have the layout of 4.9');

/** Both kinds of role. */
export const newerCommonSettings = {
  configBlackList: text(
    computed(
      'configBlackList;brokerConfigPath, name server configBlackList;configStorePath;kvConfigPath',
      (_f, _g, kind) =>
        kind === 'broker' ? 'configBlackList;brokerConfigPath' : 'configBlackList;configStorePath;kvConfigPath',
    ),
    effective,
    'Keys that the update commands may not change, joined by `;`. rocketmqHome always counts.',
    { since: '4.9.8' },
  ),
} as const satisfies SettingTable;

export const newerBrokerSettings = {
  diskSpaceWarningLevelRatio: percent(90, effective, 'Disk usage at which sends are refused.', {
    since: '5.x',
    live: true,
    min: 35,
  }),
  diskSpaceCleanForciblyRatio: percent(85, effective, 'Disk usage at which files are deleted before their time.', {
    since: '5.x',
    live: true,
    min: 30,
  }),
  inSyncReplicas: int(
    1,
    refuseAbove(2, 'SYNC_MASTER waits for one slave'),
    'Copies that a send waits for, the own one included.',
    FIVE,
  ),
  haMaxGapNotInSync: int(
    268_435_456,
    without('set haSlaveFallbehindMax'),
    'Name of haSlaveFallbehindMax in 5.x.',
    FIVE,
  ),
  enableControllerMode: flag(
    false,
    refuseTrue('masters are not elected, roles are fixed by the files'),
    'Elect masters.',
    FIVE,
  ),
  autoMessageVersionOnTopicLen: flag(true, V2, 'Records of version 2 for topics longer than 127 bytes.', FIVE),
  enabledAppendPropCRC: flag(false, V2, 'A checksum of the properties in each record.', { since: '5.x' }),
  recheckReputOffsetFromCq: flag(
    false,
    without('dispatch always goes on behind the consume queues, as in 4.9'),
    'Where dispatch goes on after a restart.',
    FIVE,
  ),
  useServerSideResetOffset: flag(
    false,
    without('clients reset offsets, as in 4.9'),
    'The broker resets offsets.',
    FIVE,
  ),
  transactionOpBatchInterval: millis(
    3000,
    without('op messages are written one by one'),
    'Time between op batches.',
    FIVE,
  ),
  transactionOpMsgMaxSize: int(4096, without('op messages are written one by one'), 'Size of an op batch.', FIVE),
  timerWheelEnable: flag(true, TIMERS, 'Messages with a delivery time.', FIVE),
  timerMaxDelaySec: int(259_200, TIMERS, 'Largest delay.', { ...FIVE, unit: 'seconds' }),
  timerPrecisionMs: int(1000, TIMERS, 'Precision of a delivery time.', { ...FIVE, unit: 'ms' }),
  timerRollWindowSlot: int(172_800, TIMERS, 'Slots after which a timer message is stored again.', FIVE),
} as const satisfies SettingTable;
