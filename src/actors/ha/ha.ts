/**
 * Replication of one broker, master or slave. Two brokers of one process have a connection too (a synthetic one, see the
 * front), so that faults and closing work alike; the log itself is read from the master's window or files then, and
 * travels through no ring. Brokers of other processes speak Apache's protocol (stream-protocol.ts).
 * Source of the rules: HAService.java, HAConnection.java.
 */
import { actor, type Context } from '../../runtime/actor.js';
import type { Bytes, MessageOf } from '../../runtime/message.js';
import { frontMessages } from '../front/messages.js';
import { MasterSide } from './master-side.js';
import { haMessages } from './messages.js';
import { type HaOptions, type StreamSettings, streamSettings } from './options.js';
import { Refusals } from './refusals.js';
import { SlaveSide } from './slave-side.js';

type Message<K extends keyof typeof haMessages> = MessageOf<typeof haMessages, K>;

interface HaState {
  readonly context: Context;
  readonly options: HaOptions;
  readonly stream: StreamSettings;
  readonly master: MasterSide | undefined;
  readonly slave: SlaveSide | undefined;
  readonly refusals: Refusals;
}

const TICK_MS = 500;

export const haActor = actor('ha', {
  messages: haMessages,
  start,
  on: {
    frame: () => undefined,
    opened: onOpened,
    closed: (state: HaState, m: Message<'closed'>) => {
      if (state.slave?.closed(m.connection) !== true) state.master?.closed(m.connection);
    },
    dialed: (state: HaState, m: Message<'dialed'>) =>
      state.slave?.dialed(m.token, m.connection, m.peerActor, m.peerConnection),
    dialFailed: (state: HaState, m: Message<'dialFailed'>) => state.slave?.dialFailed(m.token, m.value.reason),
    bound: () => undefined,
    bytes: onBytes,

    logWritten: (state: HaState, m: Message<'logWritten'>) => state.master?.logWritten(m.minOffset, m.end),
    appended: (state: HaState, m: Message<'appended'>) => state.slave?.appended(m.end),
    rejoin: (state: HaState) => state.slave?.rejoin(),
    masterAddress: (state: HaState, m: Message<'masterAddress'>) => state.slave?.setMaster(textOf(m)),
    masterChecked: (state: HaState, m: Message<'masterChecked'>) => state.slave?.checked(m.connection, textOf(m)),
    appendFailed: (state: HaState, m: Message<'appendFailed'>) => state.slave?.appendFailed(textOf(m)),
    settings: onSettings,

    localHello: (state: HaState, m: Message<'localHello'>) => state.master?.localHello(m.source, m.connection, m.end),
    localRange: (state: HaState, m: Message<'localRange'>) => state.slave?.localRange(m.source, m.from, m.end),
    localAck: (state: HaState, m: Message<'localAck'>) => state.master?.localAck(m.connection, m.end),
    localRefused: (state: HaState, m: Message<'localRefused'>) => state.slave?.localRefused(textOf(m)),
  },
  endOfBatch: (state: HaState) => state.master?.endOfBatch(),
});

function start(context: Context, options: HaOptions): HaState {
  const isSlave = options.settings.brokerRole === 'SLAVE';
  const stream = streamSettings(options.settings);
  const state: HaState = {
    context,
    options,
    stream,
    master: isSlave ? undefined : new MasterSide(context, options, stream),
    slave: isSlave ? new SlaveSide(context, options, stream) : undefined,
    refusals: new Refusals(),
  };
  context.after(TICK_MS, function tick(): void {
    state.master?.tick();
    state.slave?.tick();
    context.after(TICK_MS, tick);
  });
  if (!options.waitsForMaster) context.ready();
  return state;
}

function textOf({ buffer, start: from, end }: Bytes): string {
  return buffer.toString('utf8', from, end);
}

function onSettings({ stream }: HaState, { heartbeatMs, housekeepingMs, batchBytes }: Message<'settings'>): void {
  stream.heartbeatMs = heartbeatMs;
  stream.housekeepingMs = housekeepingMs;
  stream.batchBytes = batchBytes;
}

function onOpened({ context, options, master, refusals }: HaState, m: Message<'opened'>): void {
  const { remoteAddress, remotePort } = m.value;
  const remote = `${remoteAddress}:${remotePort}`;
  if (master !== undefined) return master.opened(m.connection, remote);
  const why = 'a slave was sent away: this broker is a slave itself';
  if (refusals.isNew(remote, why)) context.log.warn(why, { slave: remote });
  context.send(options.front, frontMessages.close, { connection: m.connection });
}

function onBytes(state: HaState, m: Message<'bytes'>): void {
  if (state.slave !== undefined) state.slave.received(m.connection, m.buffer, m.start, m.end);
  else state.master?.received(m.connection, m.buffer, m.start, m.end);
}
