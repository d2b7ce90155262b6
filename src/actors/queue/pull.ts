/**
 * HOT. PULL_MESSAGE (11) at a queue host: Apache's checks in its order, then the queue, then the answer: at once, or when
 * a message comes (long polling). Source: PullMessageProcessor.java, PullRequestHoldService.java.
 */
import { withRemedy } from '../../base/disk-remedy.js';
import { KIB } from '../../base/units.js';
import { isTagType, NoFilter } from '../../filter/subscription.js';
import { isRetryTopic, RETRY_PREFIX } from '../../message/topics.js';
import { ResponseCode } from '../../remoting/response-codes.js';
import { FieldName, INTEGER_FIELD_BYTES, maxResponseBytes } from '../../remoting/response-writer.js';
import { brokerMessages } from '../broker/messages.js';
import { frontMessages } from '../front/messages.js';
import { waitsForBlocks, waitsForBytes } from './cold-pulls.js';
import type { GetStatus } from './get-messages.js';
import { type HeldPull, hasRoomForTags, hold, release } from './held.js';
import type { HostState } from './host-state.js';
import { codesOfText, PullFlag, PullKey, type PullRequest } from './pull-request.js';
import type { Queue } from './queue.js';
import { findQueue } from './queues.js';
import { refuse } from './refuse.js';
import type { Group, Topic } from './replica.js';
import type { LogReader } from '../../store/log-reader.js';

const PERM_READ = 4;

const SUGGEST = new FieldName('suggestWhichBrokerId');
const NEXT = new FieldName('nextBeginOffset');
const MIN = new FieldName('minOffset');
const MAX = new FieldName('maxOffset');
const HEADER_BYTES_MAX = maxResponseBytes(4, 4 * INTEGER_FIELD_BYTES, 'MESSAGE_WAS_REMOVING', 0);

/** Of the tags or the filter that a pull brings along: reading them takes a broker's thread some milliseconds. */
const SUBSCRIPTION_BYTES_MAX = 64 * KIB;

/** A pull names something the replica does not know: 'later' if it may know it in a moment. */
type Checked = 'ok' | 'answered' | 'later';

const CODE_OF: Readonly<Record<GetStatus, number>> = {
  FOUND: ResponseCode.SUCCESS,
  NO_MATCHED_MESSAGE: ResponseCode.PULL_RETRY_IMMEDIATELY,
  MESSAGE_WAS_REMOVING: ResponseCode.PULL_RETRY_IMMEDIATELY,
  OFFSET_FOUND_NULL: ResponseCode.PULL_NOT_FOUND,
  OFFSET_OVERFLOW_BADLY: ResponseCode.PULL_OFFSET_MOVED,
  OFFSET_OVERFLOW_ONE: ResponseCode.PULL_NOT_FOUND,
  OFFSET_TOO_SMALL: ResponseCode.PULL_OFFSET_MOVED,
  // 21 instead when the offset asked for is not 0.
  NO_MESSAGE_IN_QUEUE: ResponseCode.PULL_NOT_FOUND,
};

/** Handles the pull that `state.scan` holds; false asks to try it again when the replica has changed. */
export function onPull(state: HostState, connection: number, mayWait: boolean): boolean {
  const { scan, request } = state;
  if (!request.read(scan, connection)) {
    refuse(state, connection, ResponseCode.SYSTEM_ERROR, request.problem(scan));
    return true;
  }
  const checked = check(state, request, mayWait);
  if (checked !== 'ok') return checked === 'answered';
  const topic = request.topic!;
  const queue = findQueue(state, topic, request.queueId);
  queue.lastUsedMs = state.context.clock.monotonic();
  answerOrHold(state, queue, request);
  if (request.has(PullFlag.COMMIT_OFFSET) && !isSlave(state)) commitOffset(state, request);
  return true;
}

function isSlave(state: HostState): boolean {
  return state.options.settings.brokerRole === 'SLAVE';
}

function check(state: HostState, request: PullRequest, mayWait: boolean): Checked {
  const { scan, replica, options } = state;
  const { connection } = request;
  const fail = (code: number, remark: string): Checked => {
    refuse(state, connection, code, remark);
    return 'answered';
  };
  if ((replica.broker.brokerPermission & PERM_READ) === 0) {
    return fail(ResponseCode.NO_PERMISSION, `the broker[${options.settings.brokerIP1}] pulling message is forbidden`);
  }
  const groupAt = scan.findKey(PullKey.consumerGroup);
  const topicAt = scan.findKey(PullKey.topic);
  if (groupAt < 0 || topicAt < 0) {
    return fail(ResponseCode.SYSTEM_ERROR, 'the header field <consumerGroup> or <topic> is missing');
  }
  const group = replica.groups.find(scan, groupAt);
  state.deferred.wantedGroup = undefined;
  state.deferred.wantsHeartbeat = false;
  if (group?.settings === undefined) {
    const name = scan.string(groupAt);
    state.deferred.wantedGroup = name;
    if (mayWait) return 'later';
    const text = `subscription group [${name}] does not exist, \nSee http://rocketmq.apache.org/docs/faq/ for further details.`;
    return fail(ResponseCode.SUBSCRIPTION_GROUP_NOT_EXIST, text);
  }
  if (!group.settings.consumeEnable) {
    return fail(ResponseCode.NO_PERMISSION, `subscription group no permission, ${group.name}`);
  }
  const topic = replica.topics.find(scan, topicAt);
  if (topic === undefined) {
    if (mayWait) return 'later';
    const text = `topic[${scan.string(topicAt)}] not exist, apply first please! \nSee http://rocketmq.apache.org/docs/faq/ for further details.`;
    return fail(ResponseCode.TOPIC_NOT_EXIST, text);
  }
  if ((topic.perm & PERM_READ) === 0) {
    return fail(ResponseCode.NO_PERMISSION, `the topic[${topic.topic}] pulling message is forbidden`);
  }
  if (request.queueId < 0 || request.queueId >= topic.readQueueNums) {
    const text = `queueId[${request.queueId}] is illegal, topic:[${topic.topic}] topicConfig.readQueueNums:[${topic.readQueueNums}] consumer:[${group.name}]`;
    return fail(ResponseCode.SYSTEM_ERROR, text);
  }
  request.group = group;
  request.topic = topic;
  if (request.has(PullFlag.CLASS_FILTER)) return fail(ResponseCode.SYSTEM_ERROR, NO_CLASS_FILTER);
  const checked = request.has(PullFlag.SUBSCRIPTION)
    ? checkOwnSubscription(state, request, fail)
    : checkKnownSubscription(state, request, group, topic, mayWait, fail);
  if (replica.broker.filterSupportRetry && isRetryTopic(topic.topic)) {
    request.filter = replica.groups.get(topic.topic.slice(RETRY_PREFIX.length))?.retryFilter;
  }
  return checked;
}

/** The pull brings its subscription along. */
function checkOwnSubscription(
  state: HostState,
  request: PullRequest,
  fail: (code: number, remark: string) => Checked,
): Checked {
  const { scan, filters } = state;
  const typeAt = scan.findKey(PullKey.expressionType);
  const textAt = scan.findKey(PullKey.subscription);
  const textBytes = textAt < 0 ? 0 : scan.unescapedLength(textAt);
  if (textBytes > SUBSCRIPTION_BYTES_MAX) {
    const remark = `parse the consumer's subscription failed: it has ${textBytes} bytes, at most ${SUBSCRIPTION_BYTES_MAX}: subscribe to fewer tags`;
    return fail(ResponseCode.SUBSCRIPTION_PARSE_FAILED, remark);
  }
  const type = typeAt < 0 ? 'TAG' : scan.string(typeAt);
  const text = textAt < 0 ? '' : scan.string(textAt);
  if (isTagType(type)) {
    const codes = codesOfText(text);
    if (codes === 'bad') return fail(ResponseCode.SUBSCRIPTION_PARSE_FAILED, PARSE_FAILED);
    request.codes = codes;
    return 'ok';
  }
  if (text === '') return fail(ResponseCode.SUBSCRIPTION_PARSE_FAILED, PARSE_FAILED);
  if (!state.replica.broker.enablePropertyFilter) return fail(ResponseCode.SYSTEM_ERROR, noFilterBy(type));
  const filter = filters.get(type, text);
  // Apache's broker lets every message pass then.
  if (filter instanceof NoFilter) {
    return fail(ResponseCode.SUBSCRIPTION_PARSE_FAILED, `${PARSE_FAILED}: ${filter.reason}`);
  }
  request.filter = filter;
  request.filterChars = text.length;
  return 'ok';
}

const PARSE_FAILED = "parse the consumer's subscription failed";
const NO_CLASS_FILTER =
  'class filters are gone since RocketMQ 4.3: subscribe by tags, or by properties with MessageSelector.bySql';

function noFilterBy(expressionType: string): string {
  return `The broker does not support consumer to filter message by ${expressionType}`;
}

/** The subscription is the one of the group's heartbeats. */
function checkKnownSubscription(
  state: HostState,
  request: PullRequest,
  group: Group,
  topic: Topic,
  mayWait: boolean,
  fail: (code: number, remark: string) => Checked,
): Checked {
  if (!group.isOnline) {
    if (mayWait) return 'later';
    return fail(
      ResponseCode.SUBSCRIPTION_NOT_EXIST,
      `the consumer's group info not exist, ${group.name}: send a heartbeat first`,
    );
  }
  if (group.isBroadcasting && !group.settings!.consumeBroadcastEnable) {
    return fail(ResponseCode.NO_PERMISSION, `the consumer group[${group.name}] can not consume by broadcast way`);
  }
  const subscription = group.subscriptions.get(topic.topic);
  if (subscription === undefined) {
    if (mayWait) return 'later';
    return fail(
      ResponseCode.SUBSCRIPTION_NOT_EXIST,
      `the consumer's subscription not exist, ${group.name} does not subscribe ${topic.topic}`,
    );
  }
  if (subscription.subVersion < request.subVersion) {
    state.deferred.wantsHeartbeat = true;
    if (mayWait) return 'later';
    return fail(
      ResponseCode.SUBSCRIPTION_NOT_LATEST,
      `the consumer's subscription not latest, ${group.name} ${topic.topic}`,
    );
  }
  if (subscription.classFilterMode) return fail(ResponseCode.SYSTEM_ERROR, NO_CLASS_FILTER);
  request.codes = subscription.codes;
  if (isTagType(subscription.expressionType)) return 'ok';
  const known = group.filters.get(topic.topic);
  if (known?.filter === undefined) {
    const text = "The broker's consumer filter data is not exist!Your expression may be wrong!";
    return fail(ResponseCode.FILTER_DATA_NOT_EXIST, text);
  }
  if (known.clientVersion < request.subVersion) {
    return fail(ResponseCode.FILTER_DATA_NOT_LATEST, "the consumer's consumer filter data not latest");
  }
  if (!state.replica.broker.enablePropertyFilter) {
    return fail(ResponseCode.SYSTEM_ERROR, noFilterBy(subscription.expressionType));
  }
  request.filter = known.filter;
  return 'ok';
}

function answerOrHold(state: HostState, queue: Queue, request: PullRequest): void {
  const code = select(state, queue, request);
  if (code === WAITS) return;
  if (code === ResponseCode.PULL_NOT_FOUND && request.has(PullFlag.SUSPEND) && holdForMessages(state, queue, request))
    return;
  if (code === ResponseCode.SUCCESS && waitsForBytes(state, queue, request)) return;
  answer(state, queue, request, code);
}

/** `select` answers that the pull waits for the disk now, or was refused. */
const WAITS = -1;

/** Fills state.selection and returns the response code. With `inMemory`: no more than that has, beside the first message. */
function select(state: HostState, queue: Queue, request: PullRequest, inMemory?: LogReader): number {
  const { selection, logMin, logEnd } = state;
  const { queueOffset, maxMessages, codes, filter } = request;
  selection.select(queue.entries, queueOffset, maxMessages, codes, filter, logMin, logEnd, inMemory);
  if (selection.isCold) {
    selection.selectUnseen(queue.entries, queueOffset, codes);
    return waitsForBlocks(state, queue, request) ? WAITS : select(state, queue, request, state.reader);
  }
  const code =
    selection.status === 'NO_MESSAGE_IN_QUEUE' && request.queueOffset !== 0
      ? ResponseCode.PULL_OFFSET_MOVED
      : CODE_OF[selection.status];
  if (code !== ResponseCode.PULL_OFFSET_MOVED || request.queueOffset < selection.minOffset) return code;
  if (state.lagBegun === state.lagOver) return code;
  // The entries up to there are on their way, and the client was told of them: it must not go back.
  selection.status = 'OFFSET_OVERFLOW_ONE';
  selection.nextOffset = request.queueOffset;
  return ResponseCode.PULL_NOT_FOUND;
}

/** Parks the pull; false when the bound is reached: it is answered with nothing at once. */
function holdForMessages(state: HostState, queue: Queue, request: PullRequest): boolean {
  const { settings } = state.options;
  if (state.heldCount >= settings.pullHoldMax || !hasRoomForTags(state, request)) return false;
  const { longPollingEnable, shortPollingTimeMills } = state.replica.broker;
  const forMs = longPollingEnable ? request.suspendTimeoutMs : shortPollingTimeMills;
  hold(state, queue, request, 'message', state.context.clock.monotonic() + forMs);
  return true;
}

/** Answers a held pull with what there is now, found or not; but it may have to wait for the disk. Throws DiskError. */
export function answerHeld(state: HostState, held: HeldPull): void {
  release(state, held);
  const { queue, request, failure } = held;
  if (failure !== undefined) {
    state.context.log.error(`the commit log cannot be read: ${withRemedy(failure)}`);
    throw failure;
  }
  const isLoaded = held.waitsFor === 'bytes';
  const code = select(state, queue, request, isLoaded ? state.reader : undefined);
  if (code === WAITS) return;
  // Once is enough: what is gone again by now was read a moment ago, so the system has it.
  if (code === ResponseCode.SUCCESS && !isLoaded && waitsForBytes(state, queue, request)) return;
  answer(state, queue, request, code);
}

const target = { connection: 0 };

function answer(state: HostState, queue: Queue, request: PullRequest, selected: number): void {
  const { selection, writer, context, options } = state;
  let code = selected;
  let suggested = suggestedBroker(state, request.group!);
  if (code === ResponseCode.PULL_OFFSET_MOVED) {
    if (isSlave(state) && !state.replica.broker.offsetCheckInSlave) {
      code = ResponseCode.PULL_RETRY_IMMEDIATELY;
      suggested = request.group!.settings!.brokerId;
    } else {
      reportMoved(state, queue, request);
    }
  }
  const hasBody = code === ResponseCode.SUCCESS;
  const maxBytes = HEADER_BYTES_MAX + (hasBody ? selection.bytes : 0);
  target.connection = request.connection;
  const place = context.begin(options.front, frontMessages.write, target as never, 0, maxBytes);
  let bodyAt = head(state, place, request, code, suggested);
  let bodyBytes = 0;
  if (hasBody) {
    bodyBytes = copyMessages(state, place.buffer, bodyAt);
    if (bodyBytes === 0) {
      selection.status = 'MESSAGE_WAS_REMOVING';
      code = ResponseCode.PULL_RETRY_IMMEDIATELY;
      bodyAt = head(state, place, request, code, suggested);
    }
  }
  context.end(writer.finish(bodyBytes));
  if (bodyBytes > 0) state.counters.pulled(request.topic!, request.group!.name, selection.messages, bodyBytes);
  else state.counters.missed++;
}

function head(
  state: HostState,
  place: { buffer: Buffer; view: DataView; at: number },
  request: PullRequest,
  code: number,
  suggested: number,
): number {
  const { writer, selection } = state;
  writer.begin(place.buffer, place.view, place.at, request.serialization, code, request.opaque);
  writer.field(MAX, selection.maxOffset);
  writer.field(MIN, selection.minOffset);
  writer.field(NEXT, selection.nextOffset);
  writer.field(SUGGEST, suggested);
  writer.remark(selection.status);
  return writer.endHeader();
}

/** Copies the selected ranges; a range whose file was removed meanwhile is left out. */
function copyMessages(state: HostState, buffer: Buffer, at: number): number {
  const { selection, reader } = state;
  let next = at;
  reader.fileReadMs = 0;
  for (let i = 0; i < selection.rangeCount; i++) {
    const length = selection.lengths[i]!;
    if (reader.read(selection.starts[i]!, length, buffer, next)) next += length;
  }
  if (reader.fileReadMs > 0) state.quickReads.note(reader.fileReadMs, state.context.clock.monotonic());
  return next - at;
}

function suggestedBroker(state: HostState, group: Group): number {
  if (!state.replica.broker.slaveReadEnable) return 0;
  const settings = group.settings!;
  return state.selection.suggestsSlave ? settings.whichBrokerWhenConsumeSlowly : settings.brokerId;
}

function reportMoved(state: HostState, queue: Queue, request: PullRequest): void {
  const value = {
    group: request.group!.name,
    topic: queue.topic,
    queueId: queue.queueId,
    requestedOffset: request.queueOffset,
    newOffset: state.selection.nextOffset,
  };
  state.context.send(state.options.broker, brokerMessages.offsetMoved, { value });
}

const commit = { queueId: 0, queueOffset: 0.5 };

function commitOffset(state: HostState, request: PullRequest): void {
  const group = request.group!.bytes;
  const topic = request.topic!.bytes;
  commit.queueId = request.queueId;
  commit.queueOffset = request.commitOffset;
  const bytes = 1 + group.length + topic.length;
  const place = state.context.begin(state.options.broker, brokerMessages.commitOffset, commit as never, 0, bytes);
  place.buffer[place.at] = group.length;
  place.buffer.set(group, place.at + 1);
  place.buffer.set(topic, place.at + 1 + group.length);
  state.context.end(bytes);
}
