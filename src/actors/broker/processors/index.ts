/**
 * Every request of the broker but sends, by code. What the table does not have is REQUEST_CODE_NOT_SUPPORTED, as in
 * Apache; so are pulls on the VIP port. Source: BrokerController.registerProcessor, AdminBrokerProcessor.java.
 */
import { DiskError } from '../../../base/disk.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import type { BrokerState, Connection } from '../state.js';
import { answer, fail, type Handler, LATER, type Request } from './answer.js';
import { clientCallProcessors } from './client-calls.js';
import { cleanUpProcessors } from './clean-up.js';
import { clientProcessors } from './clients.js';
import { configurationProcessors } from './configuration.js';
import { connectionProcessors } from './connections.js';
import { filterProcessors } from './filters.js';
import { groupProcessors } from './groups.js';
import { lockProcessors } from './locks.js';
import { offsetProcessors } from './offsets.js';
import { progressProcessors } from './progress.js';
import { queryProcessors } from './queries.js';
import { replyProcessors } from './replies.js';
import { resetOffsetProcessors } from './reset-offset.js';
import { sendBackProcessors } from '../sends/send-back.js';
import { runtimeProcessors } from './runtime-info.js';
import { statisticsProcessors } from './statistics.js';
import { transactionProcessors } from '../transactions/end-transaction.js';
import { topicProcessors } from './topics.js';

const processors: ReadonlyMap<number, Handler> = new Map([
  ...clientProcessors,
  ...sendBackProcessors,
  ...offsetProcessors,
  ...transactionProcessors,
  ...queryProcessors,
  ...replyProcessors,
  ...resetOffsetProcessors,
  ...clientCallProcessors,
  ...lockProcessors,
  ...topicProcessors,
  ...filterProcessors,
  ...groupProcessors,
  ...progressProcessors,
  ...statisticsProcessors,
  ...connectionProcessors,
  ...configurationProcessors,
  ...runtimeProcessors,
  ...cleanUpProcessors,
]);

/** Answers the request that `state.scan` holds; `body` is a view that is valid until this returns. */
export function handleRequest(state: BrokerState, connection: Connection, body: Buffer): void {
  const { code } = state.scan;
  const handler = processors.get(code);
  if (handler === undefined) {
    const text = ` request type ${code} not supported`;
    answer(state, connection, fail(ResponseCode.REQUEST_CODE_NOT_SUPPORTED, text));
    return;
  }
  const result = handled(handler, state, { connection, body });
  if (result !== LATER) answer(state, connection, result);
}

/** A disk that fails while something is looked up fails the request, not the broker. */
function handled(handler: Handler, state: BrokerState, request: Request): ReturnType<Handler> {
  try {
    return handler(state, request);
  } catch (error) {
    if (!(error instanceof DiskError)) throw error;
    state.context.log.error(`a request failed: ${error.message}`, { code: state.scan.code });
    return fail(ResponseCode.SYSTEM_ERROR, error.message);
  }
}
