/**
 * Requests of this broker to others: name servers and its master over connections that the front dials, clients over
 * their own. One connection an address, dialed on demand; calls made meanwhile wait for it (bounded).
 */
import type { Command, FrameParts } from '../../../remoting/command.js';
import { tryEncodeFrame } from '../../../remoting/command.js';
import type { ActorId, Context } from '../../../runtime/actor.js';
import type { Timer } from '../../../runtime/timers.js';
import { frontMessages } from '../../front/messages.js';

export interface RemoteResponse {
  readonly command: Command;
  readonly body: Buffer;
}

export type Outcome = RemoteResponse | RemoteFailure;

/** Why there is no response. */
export class RemoteFailure {
  constructor(readonly reason: string) {}
}

/** It may have been done all the same. */
export class RemoteTimeout extends RemoteFailure {}

export type CallParts = Omit<FrameParts, 'opaque'>;

interface Pending {
  readonly connection: number;
  readonly done: (outcome: Outcome) => void;
  readonly timer: Timer;
}

interface Peer {
  readonly address: string;
  /** 0 while it is being dialed. */
  connection: number;
  waiting: {
    readonly parts: CallParts;
    readonly body: Buffer;
    readonly timeoutMs: number;
    readonly done: (outcome: Outcome) => void;
  }[];
}

/** Calls that may wait for one connection, and answers that may be outstanding. */
const WAITING_MAX = 64;
const PENDING_MAX = 16_384;
/** Clients may keep theirs waiting: name servers and the master are called all the same. */
const PENDING_DIALED_MAX = PENDING_MAX + 1024;

export class Remote {
  private readonly peers = new Map<string, Peer>();
  private readonly dialing = new Map<number, Peer>();
  private readonly byConnection = new Map<number, Peer>();
  private readonly pending = new Map<number, Pending>();
  /** Told when a connection that this actor dialed is gone. */
  peerClosed: (address: string) => void = () => undefined;
  private nextToken = 1;
  private nextOpaque = 1;

  constructor(
    private readonly context: Context,
    private readonly front: ActorId,
  ) {}

  /** Calls whoever listens at `host:port`; `done` is called exactly once, in a turn of this actor. */
  call(address: string, parts: CallParts, body: Buffer, timeoutMs: number, done: (outcome: Outcome) => void): void {
    let peer = this.peers.get(address);
    if (peer === undefined) {
      peer = this.dial(address);
      if (peer === undefined) return done(new RemoteFailure(`${address} is no address of the form host:port`));
    }
    if (peer.connection > 0) return this.callConnection(peer.connection, parts, body, timeoutMs, done);
    if (peer.waiting.length >= WAITING_MAX) return done(new RemoteFailure(`too many calls wait for ${address}`));
    peer.waiting.push({ parts, body, timeoutMs, done });
  }

  /** Calls a client over its own connection. */
  callConnection(
    connection: number,
    parts: CallParts,
    body: Buffer,
    timeoutMs: number,
    done: (outcome: Outcome) => void,
  ): void {
    const pendingMax = this.isDialed(connection) ? PENDING_DIALED_MAX : PENDING_MAX;
    if (this.pending.size >= pendingMax) return done(new RemoteFailure('too many calls wait for their answer'));
    const opaque = this.newOpaque();
    if (!this.write(connection, { ...parts, opaque }, body)) {
      return done(new RemoteFailure('the request does not fit a frame'));
    }
    const timer = this.context.after(timeoutMs, () =>
      this.finish(opaque, new RemoteTimeout(`no answer in ${timeoutMs} ms`)),
    );
    this.pending.set(opaque, { connection, done, timer });
  }

  /** A one-way request over a connection of any kind. */
  tell(connection: number, parts: CallParts, body: Buffer): void {
    if (this.write(connection, { ...parts, opaque: this.newOpaque() }, body)) return;
    this.context.log.warn('a client was not told: what it is to be told does not fit a frame', { code: parts.code });
  }

  private newOpaque(): number {
    const opaque = this.nextOpaque;
    this.nextOpaque = (this.nextOpaque % 0x7fff_ffff) + 1;
    return opaque;
  }

  // ---- what the front says

  dialed(token: number, connection: number): void {
    const peer = this.dialing.get(token);
    if (peer === undefined) return;
    this.dialing.delete(token);
    peer.connection = connection;
    this.byConnection.set(connection, peer);
    const waiting = peer.waiting;
    peer.waiting = [];
    for (const { parts, body, timeoutMs, done } of waiting)
      this.callConnection(connection, parts, body, timeoutMs, done);
  }

  dialFailed(token: number, reason: string): void {
    const peer = this.dialing.get(token);
    if (peer === undefined) return;
    this.dialing.delete(token);
    this.peers.delete(peer.address);
    for (const { done } of peer.waiting) done(new RemoteFailure(`${peer.address}: ${reason}`));
  }

  closed(connection: number): void {
    const peer = this.byConnection.get(connection);
    if (peer !== undefined) {
      this.byConnection.delete(connection);
      this.peers.delete(peer.address);
    }
    for (const [opaque, one] of this.pending) {
      if (one.connection === connection) this.finish(opaque, new RemoteFailure('the connection was closed'));
    }
    if (peer !== undefined) this.peerClosed(peer.address);
  }

  /** True when the connection is one that this actor dialed. */
  isDialed(connection: number): boolean {
    return this.byConnection.has(connection);
  }

  response(connection: number, command: Command, body: Buffer): void {
    // An id of another connection is somebody's guess, not an answer.
    if (this.pending.get(command.opaque)?.connection !== connection) return;
    this.finish(command.opaque, { command, body });
  }

  private finish(opaque: number, outcome: Outcome): void {
    const one = this.pending.get(opaque);
    if (one === undefined) return;
    this.pending.delete(opaque);
    one.timer.cancel();
    one.done(outcome);
  }

  private dial(address: string): Peer | undefined {
    const colon = address.lastIndexOf(':');
    const port = Number(address.slice(colon + 1));
    if (colon <= 0 || !Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
    const peer: Peer = { address, connection: 0, waiting: [] };
    const token = this.nextToken++;
    this.peers.set(address, peer);
    this.dialing.set(token, peer);
    this.context.send(this.front, frontMessages.dial, { token, value: { host: address.slice(0, colon), port } });
    return peer;
  }

  /** False when no frame can hold it. */
  private write(connection: number, parts: FrameParts, body: Buffer): boolean {
    const frame = tryEncodeFrame(parts, body);
    if (frame === undefined) return false;
    const place = this.context.begin(this.front, frontMessages.write, { connection }, 0, frame.length);
    frame.copy(place.buffer, place.at);
    this.context.end(frame.length);
    return true;
  }
}
