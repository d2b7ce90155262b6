/** Locks of orderly consumers. Source: AdminBrokerProcessor.lockBatchMQ, unlockBatchMQ. */
import { lockBatchRequest, lockBatchResponse } from '../../../remoting/bodies/clients.js';
import { requests } from '../../../remoting/requests.js';
import { OK, okBody, onBody } from './answer.js';

export const lockProcessors = [
  onBody(requests.lockBatchMq, lockBatchRequest, ({ locks, context }, { consumerGroup, mqSet, clientId }) =>
    okBody(lockBatchResponse, { lockOKMQSet: locks.lock(consumerGroup, mqSet, clientId, context.clock.monotonic()) }),
  ),

  onBody(requests.unlockBatchMq, lockBatchRequest, ({ locks }, { consumerGroup, mqSet, clientId }) => {
    locks.unlock(consumerGroup, mqSet, clientId);
    return OK;
  }),
] as const;
