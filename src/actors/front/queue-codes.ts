/** Requests about one message queue (topic and queue id in the header): they go to a queue host, not to the broker. */
import { RequestCode } from '../../remoting/request-codes.js';

export const QUEUE_CODES: readonly number[] = [
  RequestCode.PULL_MESSAGE,
  RequestCode.SEARCH_OFFSET_BY_TIMESTAMP,
  RequestCode.GET_EARLIEST_MSG_STORETIME,
];
