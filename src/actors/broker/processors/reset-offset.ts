/**
 * Resetting the offsets of a consumer group, by its online members: they are told the new offsets and commit them. The
 * broker's own table stays as it is. Source: Broker2Client.resetOffset, AdminBrokerProcessor.resetOffset.
 */
import { type DiskErrorFacts, withRemedy } from '../../../base/disk-remedy.js';
import { resetOffsetBody, resetOffsetBodyForC } from '../../../remoting/bodies/client-requests.js';
import type { MessageQueue } from '../../../remoting/bodies/message-queue.js';
import { encodeBody } from '../../../remoting/body-codec.js';
import { Flag } from '../../../remoting/command.js';
import { encodeHeader, type HeaderOf } from '../../../remoting/header-table.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { Language } from '../../../remoting/version.js';
import type { Channel } from '../peers/clients.js';
import type { SearchOutcome } from '../lookups/offset-searches.js';
import type { BrokerState } from '../state.js';
import type { BrokerTopic, TopicConfig } from '../tables/topic-table.js';
import { type Answer, answerLater, BODY_BYTES_MAX, fail, LATER, OK, on } from './answer.js';
import { refuseTooOld } from './client-calls.js';

type ResetOffset = HeaderOf<typeof requests.resetConsumerClientOffset.header>;
type OffsetTable = ReadonlyMap<MessageQueue, number>;

/** Instead of a time: the end of each queue. */
const END = -1;

export const resetOffsetProcessors = [
  on(requests.invokeBrokerToResetOffset, (state, header, { connection }) => {
    const { topic: name, group } = header;
    const topic = state.topics.get(name);
    if (topic?.config === undefined) {
      const text = `[reset-offset] reset offset failed, no topic in this broker. topic=${name}`;
      return fail(ResponseCode.SYSTEM_ERROR, text);
    }
    const { writeQueueNums } = topic.config;
    for (let queueId = 0; queueId < writeQueueNums; queueId++) {
      if (state.offsets.get(group, name, queueId) === undefined) {
        return fail(ResponseCode.SYSTEM_ERROR, `THe consumer group <${group}> not exist`);
      }
    }
    if (!state.offsetSearches.hasRoomFor(writeQueueNums)) {
      state.flow.count('offset_searches_full');
      return fail(ResponseCode.SYSTEM_BUSY, 'too many offsets are being searched for: try again in a moment');
    }
    const isFromC = state.scan.language === Language.CPP;
    const reply = answerLater(state, connection);
    findOffsets(state, topic, topic.config, header, (table, failure) => {
      if (failure === undefined) return reply(tellMembers(state, header, table, isFromC));
      const text = `[reset-offset] no offset was changed: ${withRemedy(failure)}`;
      return reply(fail(ResponseCode.SYSTEM_ERROR, text));
    });
    return LATER;
  }),
] as const;

/** `done` gets the new offset of every queue, or the first failure, in one of the next turns. */
function findOffsets(
  state: BrokerState,
  topic: BrokerTopic,
  { writeQueueNums }: TopicConfig,
  { group, timestamp, isForce }: ResetOffset,
  done: (table: OffsetTable, failure: DiskErrorFacts | undefined) => void,
): void {
  const { brokerName } = state.settings;
  const table = new Map<MessageQueue, number>();
  let missing = writeQueueNums;
  let failure: DiskErrorFacts | undefined;
  const found = (queueId: number, outcome: SearchOutcome): void => {
    if (typeof outcome === 'number') {
      const offset = Math.max(0, outcome);
      const current = state.offsets.get(group, topic.name, queueId) ?? 0;
      const isTaken = isForce === true || offset < current;
      table.set({ brokerName, queueId, topic: topic.name }, isTaken ? offset : current);
    } else {
      failure ??= outcome;
    }
    if (--missing === 0) done(table, failure);
  };
  for (let queueId = 0; queueId < writeQueueNums; queueId++) {
    const queue = topic.usedQueue(queueId);
    if (queue === undefined) found(queueId, 0);
    else if (timestamp === END) found(queueId, queue.maxOffset);
    else state.offsetSearches.ask(state, queue, timestamp, (outcome) => found(queueId, outcome));
  }
  if (writeQueueNums === 0) done(table, undefined);
}

function tellMembers(state: BrokerState, header: ResetOffset, table: OffsetTable, isFromC: boolean): Answer {
  const { topic, group, timestamp } = header;
  const members = state.clients.consumers.get(group);
  if (members === undefined) {
    const text = `Consumer not online, so can not reset offset, Group: ${group} Topic: ${topic} Timestamp: ${timestamp}`;
    return fail(ResponseCode.CONSUMER_NOT_ONLINE, text);
  }
  const refused = refuseTooOld(members);
  if (refused !== undefined) return refused;
  const told = bodiesOf(table);
  const bytes = Math.max(told.java.length, told.c.length);
  if (bytes > BODY_BYTES_MAX) {
    return fail(ResponseCode.SYSTEM_ERROR, `the new offsets take ${bytes} bytes, a frame takes ${BODY_BYTES_MAX}`);
  }
  tellEach(state, [...members.channels.values()], header, told, isFromC);
  return { ...OK, body: told.java };
}

interface Told {
  readonly java: Buffer;
  /** C++ clients read lists only. */
  readonly c: Buffer;
}

function bodiesOf(table: OffsetTable): Told {
  const list = [...table].map(([queue, offset]) => ({ ...queue, offset }));
  return {
    java: Buffer.from(encodeBody(resetOffsetBody, { offsetTable: table })),
    c: Buffer.from(encodeBody(resetOffsetBodyForC, { offsetTable: list })),
  };
}

/** As many as the front takes, the rest when it does again. `isFromC`: the tool is one of theirs and says so for all, as Apache has it. */
function tellEach(
  state: BrokerState,
  channels: readonly Channel[],
  { topic, group, timestamp }: ResetOffset,
  told: Told,
  isFromC: boolean,
): void {
  const { remote, context, options } = state;
  const { code, header } = requests.resetConsumerClientOffset;
  const ext = encodeHeader(header, { topic, group, timestamp, isForce: false });
  let next = 0;
  const goOn = (): void => {
    for (; next < channels.length && context.isOpen(options.front, 'reply'); next++) {
      const { connection, language } = channels[next]!;
      const body = isFromC || language === Language.CPP ? told.c : told.java;
      remote.tell(connection, { code, flag: Flag.ONE_WAY, ext }, body);
    }
    if (next < channels.length) context.onceOpen(options.front, 'reply', goOn);
  };
  goOn();
}
