/**
 * Questions of tools that only a consumer can answer: handed on to it over its own connection, and its answer handed
 * back. Source: AdminBrokerProcessor.callConsumer, Broker2Client.getConsumeStatus.
 */
import { consumerStatusBody } from '../../../remoting/bodies/client-requests.js';
import type { MessageQueue } from '../../../remoting/bodies/message-queue.js';
import { BodyProblem, decodeBody } from '../../../remoting/body-codec.js';
import { decodeCommand } from '../../../remoting/command.js';
import { encodeHeader } from '../../../remoting/header-table.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { VersionSince, versionText } from '../../../remoting/version.js';
import type { Channel, ConsumerGroup } from '../peers/clients.js';
import { type Outcome, RemoteFailure, RemoteTimeout } from '../peers/remote.js';
import type { BrokerState } from '../state.js';
import { type Answer, answerLater, fail, LATER, okBody, on, type Request } from './answer.js';

const CALL_TIMEOUT_MS = 10_000;
const STATUS_TIMEOUT_MS = 5_000;
const NO_BODY = Buffer.alloc(0);

export const clientCallProcessors = [
  on(requests.getConsumerRunningInfo, (state, { consumerGroup, clientId }, request) =>
    handOn(state, request, consumerGroup, clientId, {}, NO_BODY),
  ),

  on(requests.invokeBrokerToGetConsumerStatus, (state, { topic, group, clientAddr }, { connection }) => {
    const members = state.clients.consumers.get(group);
    if (members === undefined) {
      return fail(ResponseCode.SYSTEM_ERROR, `No Any Consumer online in the consumer group: [${group}]`);
    }
    const refused = refuseTooOld(members);
    if (refused !== undefined) return refused;
    const isAll = clientAddr === undefined || clientAddr.trim() === '';
    const channels = [...members.channels.values()].filter(({ clientId }) => isAll || clientId === clientAddr);
    const reply = answerLater(state, connection);
    askStatus(state, channels, topic, group, reply);
    return LATER;
  }),
] as const;

/** The answer when a member is too old to know 220 and 221. Source: Broker2Client.java. */
export function refuseTooOld({ channels }: ConsumerGroup): Answer | undefined {
  for (const { version } of channels.values()) {
    if (version >= VersionSince.CLIENT_OFFSETS) continue;
    const text = `the client does not support this feature. version=${versionText(version)}`;
    return fail(ResponseCode.SYSTEM_ERROR, text);
  }
  return undefined;
}

/** The request as it came, to the member of that name; what it answers goes back unread. */
export function handOn(
  state: BrokerState,
  { connection }: Request,
  group: string,
  clientId: string | undefined,
  moreExt: Readonly<Record<string, string>>,
  body: Buffer,
): Answer | typeof LATER {
  const channel = channelOf(state, group, clientId);
  if (channel === undefined) {
    return fail(ResponseCode.SYSTEM_ERROR, `The Consumer <${group}> <${clientId}> not online`);
  }
  if (channel.version < VersionSince.CONSUMER_RUNNING_INFO) {
    const version = versionText(channel.version);
    const text = `The Consumer <${clientId}> Version <${version}> too low to finish, please upgrade it to V3_1_8_SNAPSHOT`;
    return fail(ResponseCode.SYSTEM_ERROR, text);
  }
  const { code, ext } = decodeCommand(state.scan);
  const reply = answerLater(state, connection);
  const parts = { code, ext: { ...Object.fromEntries(ext), ...moreExt } };
  state.remote.callConnection(channel.connection, parts, body, CALL_TIMEOUT_MS, (outcome) =>
    reply(answerOf(outcome, group, clientId)),
  );
  return LATER;
}

function channelOf({ clients }: BrokerState, group: string, clientId: string | undefined): Channel | undefined {
  for (const channel of clients.consumers.get(group)?.channels.values() ?? []) {
    if (channel.clientId === clientId) return channel;
  }
  return undefined;
}

function answerOf(outcome: Outcome, group: string, clientId: string | undefined): Answer {
  if (outcome instanceof RemoteTimeout) {
    return fail(ResponseCode.CONSUME_MSG_TIMEOUT, `consumer <${group}> <${clientId}> Timeout: ${outcome.reason}`);
  }
  if (outcome instanceof RemoteFailure) {
    return fail(ResponseCode.SYSTEM_ERROR, `invoke consumer <${group}> <${clientId}> Exception: ${outcome.reason}`);
  }
  const { code, remark, ext } = outcome.command;
  return { code: code as ResponseCode, remark, ext: Object.fromEntries(ext), body: outcome.body };
}

/** Asks all at once; who does not answer (C++ clients never do) is left out. */
function askStatus(
  { remote }: BrokerState,
  channels: readonly Channel[],
  topic: string,
  group: string,
  reply: (answer: Answer) => void,
): void {
  const { code, header } = requests.getConsumerStatusFromClient;
  const ext = encodeHeader(header, { topic, group, clientAddr: undefined });
  const consumerTable = new Map<string, ReadonlyMap<MessageQueue, number>>();
  let missing = channels.length;
  const finish = (): void => reply(okBody(consumerStatusBody, { consumerTable, messageQueueTable: new Map() }));
  if (missing === 0) return finish();
  for (const { connection, clientId } of channels) {
    remote.callConnection(connection, { code, ext }, NO_BODY, STATUS_TIMEOUT_MS, (outcome) => {
      const status = outcome instanceof RemoteFailure ? undefined : statusOf(outcome.command.code, outcome.body);
      if (status !== undefined) consumerTable.set(clientId, status);
      if (--missing === 0) finish();
    });
  }
}

function statusOf(code: number, body: Buffer): ReadonlyMap<MessageQueue, number> | undefined {
  if (code !== ResponseCode.SUCCESS || body.length === 0) return undefined;
  const status = decodeBody(consumerStatusBody, body);
  return status instanceof BodyProblem ? undefined : status.messageQueueTable;
}
