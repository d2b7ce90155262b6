/** Tells the others of this broker how far its commit log goes, at both ends. */
import { haMessages } from '../../ha/messages.js';
import { queueMessages } from '../../queue/messages.js';
import type { BrokerState } from '../state.js';

export function tellHa(state: BrokerState): void {
  const { log, context, options } = state;
  if (state.isSlave) context.send(options.ha, haMessages.appended, { end: log.endOffset });
  else context.send(options.ha, haMessages.logWritten, { minOffset: log.minOffset, end: log.writtenOffset });
}

export function tellLogRange(state: BrokerState): void {
  const { log, context, options } = state;
  const range = { minOffset: log.minOffset, endOffset: log.endOffset };
  for (const host of options.queueHosts) context.send(host, queueMessages.logRange, range);
}
