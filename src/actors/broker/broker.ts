/**
 * One broker, master or slave: the only writer of its commit log, owner of its topic, group, offset and client tables,
 * and of every answer that waits for a flush or a slave.
 *
 * A batch: frames are handled one by one, records encoded into the log's window; at its end one file write, then entries
 * to the queue hosts, the notice to the HA actor, and the answers that are due. Nothing is told before it is written.
 */
import { StartError } from '../../base/start-error.js';
import { encodeHost } from '../../message/host.js';
import { decodeCommand } from '../../remoting/command.js';
import { headerBytes, headerSerialization } from '../../remoting/frame.js';
import { RequestCode } from '../../remoting/request-codes.js';
import { ResponseCode } from '../../remoting/response-codes.js';
import { actor, type Context } from '../../runtime/actor.js';
import type { MessageOf } from '../../runtime/message.js';
import type { RecoveredStore } from '../../store/recovery.js';
import { createAbortFile } from '../../store/store-directory.js';
import { frontMessages } from '../front/messages.js';
import { haMessages } from '../ha/messages.js';
import { respond } from './sends/answers.js';
import { onConnectionClosed } from './peers/client-events.js';
import { startTopics } from './tables/create-topic.js';
import { checkDisk } from './store/disk-check.js';
import { wantGroup } from './tables/groups.js';
import { tellHa, tellLogRange } from './store/log-range.js';
import { checkMaster } from './replication/master-check.js';
import { brokerMessages, EntryReader } from './messages.js';
import { writeOffsetMovedEvent } from './sends/offset-moved.js';
import type { BrokerOptions } from './options.js';
import { handleRequest } from './processors/index.js';
import { pushAll } from './tables/replica.js';
import { onSend } from './sends/send.js';
import { assemble } from './assemble.js';
import { close } from './close.js';
import { endOfBatch } from './end-of-batch.js';
import { startTimers } from './timers.js';
import type { BrokerState, Connection } from './state.js';
import { onQueueDisk, onStalled } from './store/store-health.js';

type Message<K extends keyof typeof brokerMessages> = MessageOf<typeof brokerMessages, K>;

export const brokerActor = actor('broker', {
  messages: brokerMessages,
  start,
  on: {
    frame: onFrame,
    opened: onOpened,
    closed: onClosed,
    dialed: (state: BrokerState, m: Message<'dialed'>) => state.remote.dialed(m.token, m.connection),
    dialFailed: (state: BrokerState, m: Message<'dialFailed'>) => state.remote.dialFailed(m.token, m.value.reason),
    bound: onBound,
    commitOffset: onCommitOffset,
    offsetMoved: (state: BrokerState, m: Message<'offsetMoved'>) => writeOffsetMovedEvent(state, m.value),
    groupWanted: (state: BrokerState, m: Message<'groupWanted'>) => wantGroup(state, m.value.group),
    pulled: (state: BrokerState, m: Message<'pulled'>) => {
      state.stats.pulled(m.found, m.missed, m.messages);
      state.stats.pullsWait(m.host, m.waiting, m.headWaitMs);
    },
    got: (state: BrokerState, m: Message<'got'>) => {
      for (const one of m.value) state.counters.got(one);
    },
    offsetFound: (state: BrokerState, m: Message<'offsetFound'>) => state.offsetSearches.answered(m.token, m.offset),
    searchFailed: (state: BrokerState, m: Message<'searchFailed'>) =>
      state.offsetSearches.answered(m.value.token, m.value.error),
    entriesRead: (state: BrokerState, m: Message<'entriesRead'>) => {
      if (m.reader >= EntryReader.QUERIES) state.entryQueries.entriesRead(m);
      else (m.reader === EntryReader.SCHEDULE ? state.schedule : state.transactions).entriesRead(m);
    },
    queueCleaned: onQueueCleaned,
    queuesFlushed: (state: BrokerState, m: Message<'queuesFlushed'>) =>
      state.queueSync.answered(state, m.host, m.isSynced),
    queueDisk: onQueueDisk,
    stalled: onStalled,
    replicated: onReplicated,
    follow: (state: BrokerState, m: Message<'follow'>) => state.replication.follow(state, m.from, m.end),
    append: (state: BrokerState, m: Message<'append'>) =>
      state.replication.append(m.offset, m.buffer, m.start, m.end - m.start),
    checkMaster: onCheckMaster,
  },
  endOfBatch,
  close,
});

function start(context: Context, options: BrokerOptions): BrokerState {
  const recovered = options.prepared as RecoveredStore;
  const state = assemble(context, options, recovered);
  createAbortFile(context.disk, options.settings.storePathRootDir);
  for (const { topic, queueId, minOffset, maxOffset, physicalEnd } of recovered.queues) {
    const queue = state.topics.ensure(topic).queue(queueId);
    queue.minOffset = minOffset;
    queue.nextOffset = maxOffset;
    queue.physicalEnd = physicalEnd;
  }
  state.files.load(state);
  startTopics(state);
  checkDisk(state);
  pushAll(state);
  tellLogRange(state);
  tellHa(state);
  startTimers(state);
  state.indexCatchUp.start(state);
  state.retention.start(state);
  return state;
}

// ---- connections

function onBound(state: BrokerState, m: Message<'bound'>): void {
  const { settings, options } = state;
  const host = options.advertisedHost === '' ? settings.brokerIP1 : options.advertisedHost;
  state.port = m.port;
  state.haPort = m.haPort;
  state.address = `${host}:${m.port}`;
  const storeHost = encodeHost(host, m.port);
  if (storeHost === undefined) {
    throw new StartError(
      `${state.context.name}: brokerIP1=${host}: an IP address is needed, because it is stored in every message: set brokerIP1 or --advertise to one`,
    );
  }
  state.storeHost = storeHost;
  state.registration.start(state);
  if (!options.waitsForNameServers) state.registration.whenTold(() => state.context.ready());
  state.slaveSync?.start(state);
  if (!state.isSlave) {
    state.schedule.start(state);
    state.transactions.start(state);
  }
}

function onOpened(state: BrokerState, m: Message<'opened'>): void {
  const { remoteAddress, remotePort } = m.value;
  const bornHost = encodeHost(remoteAddress, remotePort) ?? new Uint8Array(8);
  state.connections.set(m.connection, { id: m.connection, address: remoteAddress, port: remotePort, bornHost });
}

function onClosed(state: BrokerState, m: Message<'closed'>): void {
  state.remote.closed(m.connection);
  if (state.connections.delete(m.connection)) onConnectionClosed(state, m.connection);
}

function onFrame(state: BrokerState, m: Message<'frame'>): void {
  const { scan } = state;
  const headerWord = m.view.getInt32(m.start);
  const headerAt = m.start + 4;
  const bodyAt = headerAt + headerBytes(headerWord);
  if (!scan.scan(m.buffer, m.view, headerAt, bodyAt, headerSerialization(headerWord))) {
    const { problem, problemAt } = scan;
    state.context.log.warn('unreadable request header', { connection: m.connection, problem, at: problemAt });
    state.context.send(state.options.front, frontMessages.close, { connection: m.connection });
    return;
  }
  if (scan.isResponse) {
    state.remote.response(m.connection, decodeCommand(scan), Buffer.from(m.buffer.subarray(bodyAt, m.end)));
    return;
  }
  const connection = state.connections.get(m.connection);
  if (connection === undefined) return;
  if (m.receivedMs < state.flow.suspectBefore && isRefused(state, connection, m.receivedMs)) return;
  switch (scan.code) {
    case RequestCode.SEND_MESSAGE_V2:
    case RequestCode.SEND_MESSAGE:
    case RequestCode.SEND_BATCH_MESSAGE:
      onSend(state, connection, m.buffer, m.view, bodyAt, m.end - bodyAt);
      return;
    default:
      onOther(state, connection, m.buffer.subarray(bodyAt, m.end));
  }
}

/** The request has waited too long. */
function isRefused(state: BrokerState, connection: Connection, receivedMs: number): boolean {
  const { flow, settings, scan, counters } = state;
  const refusal = flow.refusal(settings, scan.code, receivedMs);
  if (refusal === undefined) return false;
  counters.requests.request(scan.code);
  flow.count(refusal.reason);
  respond(state, connection.id, ResponseCode.SYSTEM_BUSY, refusal.remark);
  return true;
}

function onOther(state: BrokerState, connection: Connection, body: Buffer): void {
  state.counters.requests.request(state.scan.code);
  handleRequest(state, connection, body);
}

// ---- queue hosts

function onCommitOffset(state: BrokerState, m: Message<'commitOffset'>): void {
  const groupBytes = m.buffer[m.start]!;
  const groupAt = m.start + 1;
  const group = m.buffer.toString('utf8', groupAt, groupAt + groupBytes);
  const topic = m.buffer.toString('utf8', groupAt + groupBytes, m.end);
  state.offsets.commit(group, topic, m.queueId, m.queueOffset);
}

function onQueueCleaned(state: BrokerState, m: Message<'queueCleaned'>): void {
  const topic = m.buffer.toString('utf8', m.start, m.end);
  state.retention.queueCleaned(state, topic, m.queueId, m.minOffset, m.filesRemoved);
}

// ---- replication

function onReplicated(state: BrokerState, m: Message<'replicated'>): void {
  state.replicatedOffset = m.offset;
  state.connectedSlaves = m.slaves;
}

function onCheckMaster(state: BrokerState, { connection }: Message<'checkMaster'>): void {
  const { context, options } = state;
  checkMaster(state, (problem) => {
    const text = Buffer.from(problem);
    const place = context.begin(options.ha, haMessages.masterChecked, { connection }, 0, text.length);
    text.copy(place.buffer, place.at);
    context.end(text.length);
  });
}
