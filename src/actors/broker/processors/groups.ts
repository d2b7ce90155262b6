/** Settings of consumer groups as tools change them. Source: AdminBrokerProcessor.java. */
import { groupNameProblem } from '../../../message/topics.js';
import { subscriptionGroupConfig } from '../../../remoting/bodies/tables.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { groupsText } from '../tables/config-files.js';
import { deleteGroup, saveGroup } from '../tables/groups.js';
import { fail, OK, okText, on, onBody } from './answer.js';
import { SLAVE_REFUSAL } from './topics.js';

export const groupProcessors = [
  onBody(requests.updateAndCreateSubscriptionGroup, subscriptionGroupConfig, (state, config) => {
    if (state.isSlave) return fail(ResponseCode.SYSTEM_ERROR, SLAVE_REFUSAL);
    const refusal = groupNameProblem(config.groupName) ?? saveGroup(state, config);
    return refusal === undefined ? OK : fail(ResponseCode.SYSTEM_ERROR, refusal);
  }),

  on(requests.getAllSubscriptionGroupConfig, ({ groups }) => okText(groupsText(groups, 'plain'))),

  on(requests.deleteSubscriptionGroup, (state, { groupName, removeOffset }) => {
    if (state.isSlave) return fail(ResponseCode.SYSTEM_ERROR, SLAVE_REFUSAL);
    deleteGroup(state, groupName, removeOffset === true);
    return OK;
  }),
] as const;
