/** Settings of consumer groups: found, made on first use, changed, deleted. Source: SubscriptionGroupManager.java. */
import { groupNameProblem, isSystemGroup } from '../../../message/topics.js';
import { defaultGroupConfig, GROUP_SETTINGS_MAX, type GroupConfig } from './group-table.js';
import { pushGroup } from './replica.js';
import type { BrokerState } from '../state.js';

/** The group's settings; an unknown group gets default ones where the broker makes groups itself. */
export function findOrCreateGroup(state: BrokerState, name: string): GroupConfig | undefined {
  const known = state.groups.get(name);
  if (known !== undefined) return known;
  if (!state.settings.autoCreateSubscriptionGroup && !isSystemGroup(name)) return undefined;
  if (groupNameProblem(name) !== undefined) return undefined;
  const config = defaultGroupConfig(name);
  const refusal = saveGroup(state, config);
  if (refusal === undefined) return config;
  state.context.log.warn('consumer group not created', { group: name, because: refusal });
  return undefined;
}

/** Takes the settings over, as a whole; answers why not when there are too many groups. */
export function saveGroup(state: BrokerState, config: GroupConfig): string | undefined {
  const { groups, context, files } = state;
  const isNew = groups.get(config.groupName) === undefined;
  if (isNew && groups.size >= GROUP_SETTINGS_MAX) {
    return `the broker has ${GROUP_SETTINGS_MAX} consumer groups and takes no more: delete unused ones`;
  }
  groups.set(config, context.clock.now());
  files.groupsChanged();
  pushGroup(state, config.groupName);
  context.log.info(isNew ? 'consumer group created' : 'consumer group changed', { group: config.groupName });
  return undefined;
}

/** Forgets the settings, and where the group is in its queues when asked to. */
export function deleteGroup(state: BrokerState, name: string, withOffsets: boolean): void {
  const { groups, context, files, offsets } = state;
  if (withOffsets) offsets.removeGroup(name);
  if (!groups.delete(name, context.clock.now())) return;
  if (state.settings.autoDeleteUnusedStats) state.items.groupDeleted(name);
  files.groupsChanged();
  pushGroup(state, name);
  context.log.info('consumer group deleted', { group: name, withOffsets });
}

/** A pull named a group that its queue host does not know: the host gets an answer in any case, settings or none. */
export function wantGroup(state: BrokerState, name: string): void {
  const isKnown = state.groups.get(name) !== undefined;
  if (isKnown || findOrCreateGroup(state, name) === undefined) pushGroup(state, name);
}
