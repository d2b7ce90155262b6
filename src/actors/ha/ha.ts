/**
 * Replication of one broker. As master: keeps the slaves that are connected, tells them how far the log goes, and its
 * broker how far they have it. As slave: keeps a connection to its master's HA port, passes on what there is to append,
 * and acknowledges.
 *
 * Two brokers of one process have a connection too (a synthetic one, see the front), so that faults and closing work
 * alike; the log itself is read from the master's window or files and travels through no ring.
 * Source of the rules: HAService.java, HAConnection.java.
 */
import { StartError } from '../../base/start-error.js';
import { actor, type ActorId, type Context } from '../../runtime/actor.js';
import type { MessageOf } from '../../runtime/message.js';
import { brokerMessages } from '../broker/messages.js';
import { frontMessages } from '../front/messages.js';
import { haMessages } from './messages.js';
import type { HaOptions } from './options.js';

type Message<K extends keyof typeof haMessages> = MessageOf<typeof haMessages, K>;

/** A slave of this process that follows this master. */
interface Follower {
  readonly actor: ActorId;
  acknowledged: number;
  /** End that it was told last. */
  told: number;
}

interface HaState {
  readonly context: Context;
  readonly options: HaOptions;
  readonly isSlave: boolean;

  // ---- the own log
  minOffset: number;
  end: number;

  // ---- as master, by this side's connection id
  readonly followers: Map<number, Follower>;
  /** Highest offset ever acknowledged: it does not drop when that slave leaves (HAService.push2SlaveMaxOffset). */
  acknowledged: number;
  acknowledgementsChanged: boolean;

  // ---- as slave
  masterAddress: string;
  /** A master of another process, said once. */
  foreignMaster: string;
  connection: number;
  /** The master's HA actor and its side of the connection. */
  master: ActorId;
  masterConnection: number;
  token: number;
  redialMs: number;
  isDialing: boolean;
  /** Set with the first range: ready when the own log has come that far. */
  readyAt: number;
  isReady: boolean;
}

const FIRST_REDIAL_MS = 50;
/** Apache's slave tries every 5 s. */
const LAST_REDIAL_MS = 5_000;

export const haActor = actor('ha', {
  messages: haMessages,
  start,
  on: {
    frame: () => undefined,
    opened: () => undefined,
    closed: onClosed,
    dialed: onDialed,
    dialFailed: onDialFailed,
    bound: () => undefined,
    logWritten: onLogWritten,
    appended: onAppended,
    rejoin: onRejoin,
    masterAddress: onMasterAddress,
    localHello: onLocalHello,
    localRange: onLocalRange,
    localAck: onLocalAck,
    localRefused: onLocalRefused,
  },
  endOfBatch,
});

function start(context: Context, options: HaOptions): HaState {
  const isSlave = options.settings.brokerRole === 'SLAVE';
  const state: HaState = {
    context,
    options,
    isSlave,
    minOffset: 0,
    end: 0,
    followers: new Map(),
    acknowledged: 0,
    acknowledgementsChanged: false,
    masterAddress: '',
    foreignMaster: '',
    connection: 0,
    master: -1,
    masterConnection: 0,
    token: 0,
    redialMs: FIRST_REDIAL_MS,
    isDialing: false,
    readyAt: -1,
    isReady: !(isSlave && options.waitsForMaster),
  };
  if (state.isReady) context.ready();
  return state;
}

function onLogWritten(state: HaState, m: Message<'logWritten'>): void {
  state.minOffset = m.minOffset;
  state.end = m.end;
}

function endOfBatch(state: HaState): void {
  for (const follower of state.followers.values()) {
    if (follower.told >= state.end) continue;
    follower.told = state.end;
    state.context.send(follower.actor, haMessages.localRange, { from: -1, end: state.end });
  }
  if (!state.acknowledgementsChanged) return;
  state.acknowledgementsChanged = false;
  const slaves = state.followers.size;
  state.context.send(state.options.broker, brokerMessages.replicated, { offset: state.acknowledged, slaves });
}

// ---- as master

function onLocalHello(state: HaState, m: Message<'localHello'>): void {
  const { context, options } = state;
  if (m.end > state.end) {
    const why = `the slave's log ends at ${m.end}, behind its master's end ${state.end}: its store belongs to another master or this master lost its tail; move the slave's store away to copy everything again`;
    context.log.error(`slave refused: ${why}`);
    refuseFollower(state, m.source, why);
    context.send(options.front, frontMessages.close, { connection: m.connection });
    return;
  }
  // What a slave misses may have been deleted: it then begins where this log does (begin-anew.ts).
  const from = Math.max(m.end, state.minOffset);
  state.followers.set(m.connection, { actor: m.source, acknowledged: m.end, told: state.end });
  state.acknowledged = Math.max(state.acknowledged, m.end);
  state.acknowledgementsChanged = true;
  context.send(m.source, haMessages.localRange, { from, end: state.end });
}

function refuseFollower(state: HaState, follower: ActorId, why: string): void {
  const text = Buffer.from(why);
  const place = state.context.begin(follower, haMessages.localRefused, {}, 0, text.length);
  text.copy(place.buffer, place.at);
  state.context.end(text.length);
}

function onLocalAck(state: HaState, m: Message<'localAck'>): void {
  const follower = state.followers.get(m.connection);
  if (follower === undefined) return;
  follower.acknowledged = m.end;
  if (m.end <= state.acknowledged) return;
  state.acknowledged = m.end;
  state.acknowledgementsChanged = true;
}

// ---- as slave

function onMasterAddress(state: HaState, m: Message<'masterAddress'>): void {
  const address = m.buffer.toString('utf8', m.start, m.end);
  if (address === state.masterAddress) return;
  state.masterAddress = address;
  if (state.connection > 0)
    state.context.send(state.options.front, frontMessages.close, { connection: state.connection });
  else dial(state);
}

function dial(state: HaState): void {
  const { context, options, masterAddress } = state;
  if (state.isDialing || state.connection > 0 || masterAddress === '') return;
  const colon = masterAddress.lastIndexOf(':');
  const value = { host: masterAddress.slice(0, colon), port: Number(masterAddress.slice(colon + 1)) };
  state.isDialing = true;
  state.token++;
  context.send(options.front, frontMessages.dial, { token: state.token, value });
}

function dialLater(state: HaState): void {
  state.context.after(state.redialMs, () => dial(state));
  state.redialMs = Math.min(LAST_REDIAL_MS, state.redialMs * 2);
}

function onDialFailed(state: HaState, m: Message<'dialFailed'>): void {
  if (m.token !== state.token) return;
  state.isDialing = false;
  state.context.log.debug('master not reached', { address: state.masterAddress, reason: m.value.reason });
  dialLater(state);
}

function onDialed(state: HaState, m: Message<'dialed'>): void {
  if (m.token !== state.token) return;
  state.isDialing = false;
  state.connection = m.connection;
  state.master = m.peerActor;
  state.masterConnection = m.peerConnection;
  if (m.peerActor < 0) {
    if (state.foreignMaster !== state.masterAddress) {
      state.foreignMaster = state.masterAddress;
      const text = `${state.masterAddress} is the master of another process: replication over TCP comes with a later version`;
      state.context.log.warn(text);
    }
    state.context.send(state.options.front, frontMessages.close, { connection: m.connection });
    state.redialMs = LAST_REDIAL_MS;
    return;
  }
  state.context.send(m.peerActor, haMessages.localHello, { connection: m.peerConnection, end: state.end });
}

function onLocalRange(state: HaState, m: Message<'localRange'>): void {
  if (m.source !== state.master || state.connection === 0) return;
  if (m.from >= 0) {
    state.redialMs = FIRST_REDIAL_MS;
    state.readyAt = m.end;
  }
  state.context.send(state.options.broker, brokerMessages.follow, { from: m.from, end: m.end });
  becomeReady(state);
}

function onAppended(state: HaState, m: Message<'appended'>): void {
  state.end = m.end;
  if (state.connection > 0 && state.master >= 0) {
    state.context.send(state.master, haMessages.localAck, { connection: state.masterConnection, end: m.end });
  }
  becomeReady(state);
}

function onRejoin({ context, connection, master, masterConnection, end }: HaState): void {
  if (connection === 0 || master < 0) return;
  context.send(master, haMessages.localHello, { connection: masterConnection, end });
}

function becomeReady(state: HaState): void {
  if (state.isReady || state.readyAt < 0 || state.end < state.readyAt) return;
  state.isReady = true;
  state.context.ready();
}

function onLocalRefused(state: HaState, m: Message<'localRefused'>): void {
  const { context, options } = state;
  const text = `refused by its master: ${m.buffer.toString('utf8', m.start, m.end)}`;
  state.redialMs = LAST_REDIAL_MS;
  // Waiting helps nobody: the start fails, and a slave that came back from a crash stays down.
  if (!state.isReady) context.fail(new StartError(`${options.role}: ${text}`));
  else context.log.error(text);
}

// ---- both

function onClosed(state: HaState, m: Message<'closed'>): void {
  if (m.connection === state.connection) {
    state.connection = 0;
    state.master = -1;
    dialLater(state);
    return;
  }
  if (state.followers.delete(m.connection)) state.acknowledgementsChanged = true;
}
