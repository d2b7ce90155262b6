/** Settings of consumer groups. Source: SubscriptionGroupConfig.java; names as in subscriptionGroup.json. */
import type { SubscriptionGroupConfig } from '../../../remoting/bodies/tables.js';
import { type DataVersion, firstVersion, nextVersion } from './data-version.js';

export type GroupConfig = SubscriptionGroupConfig;

export function defaultGroupConfig(groupName: string): GroupConfig {
  return {
    groupName,
    consumeEnable: true,
    consumeFromMinEnable: true,
    consumeBroadcastEnable: true,
    retryQueueNums: 1,
    retryMaxTimes: 16,
    brokerId: 0,
    whichBrokerWhenConsumeSlowly: 1,
    notifyConsumerIdsChangedEnable: true,
  };
}

/** Groups that exist from the start. Source: SubscriptionGroupManager.init. */
export const SYSTEM_GROUPS: readonly string[] = [
  'TOOLS_CONSUMER',
  'FILTERSRV_CONSUMER',
  'SELF_TEST_C_GROUP',
  'CID_ONS-HTTP-PROXY',
  'CID_ONSAPI_PULL',
  'CID_ONSAPI_PERMISSION',
  'CID_ONSAPI_OWNER',
];

/** Beyond this no group is made: their table must fit into one frame (GET_ALL_SUBSCRIPTIONGROUP_CONFIG). */
export const GROUP_SETTINGS_MAX = 50_000;

export class GroupTable {
  version: DataVersion;
  private readonly groups = new Map<string, GroupConfig>();

  constructor(nowMs: number) {
    this.version = firstVersion(nowMs);
    for (const name of SYSTEM_GROUPS) this.groups.set(name, defaultGroupConfig(name));
  }

  get(name: string): GroupConfig | undefined {
    return this.groups.get(name);
  }

  set(config: GroupConfig, nowMs: number): void {
    this.groups.set(config.groupName, config);
    this.version = nextVersion(this.version, nowMs);
  }

  delete(name: string, nowMs: number): boolean {
    if (!this.groups.delete(name)) return false;
    this.version = nextVersion(this.version, nowMs);
    return true;
  }

  /** Takes over a whole table with its version: from a file, or from the master. */
  replace(configs: Iterable<GroupConfig>, version: DataVersion): void {
    for (const config of configs) this.groups.set(config.groupName, config);
    this.version = version;
  }

  /** Takes over the master's table: what it does not have is gone. */
  mirror(configs: Iterable<GroupConfig>, version: DataVersion): void {
    this.groups.clear();
    this.replace(configs, version);
  }

  all(): Iterable<GroupConfig> {
    return this.groups.values();
  }

  get size(): number {
    return this.groups.size;
  }
}
