/**
 * From socket chunks to frames in the rings of actors. Every byte is copied once, from the chunk into the ring; what has
 * to wait stays in its chunk, and its connection is not read meanwhile.
 */
import { KIB } from '../../base/units.js';
import { connectionMessages, streamMessages } from './connection-messages.js';
import { closeConnection, updateReading } from './closing.js';
import { type Connection, NOBODY, Phase, remoteOf } from './connection.js';
import type { CloseReason } from './counters.js';
import { LARGE_FRAME_BYTES } from './input-budget.js';
import { FRAME, FrameProblem, frameProblemText } from '../../remoting/frame.js';
import { UNREADABLE } from './route.js';
import type { FrontState } from './state.js';

const PROBLEM_REASONS: Readonly<Record<number, CloseReason>> = {
  [FrameProblem.NEGATIVE_LENGTH]: 'negative_length',
  [FrameProblem.TOO_SHORT]: 'too_short',
  [FrameProblem.OVERSIZED]: 'oversized',
  [FrameProblem.HEADER_LONGER_THAN_FRAME]: 'header_length',
  [FrameProblem.UNKNOWN_SERIALIZATION]: 'serialization',
};

/** Of a stream, handed on at once. */
const STREAM_PIECE_BYTES = 256 * KIB;

/** A chunk has arrived. */
export function receive(state: FrontState, connection: Connection, chunk: Buffer): void {
  // Lingering connections are read only to find their end.
  if (connection.phase === Phase.CLOSED || connection.isHeld) return;
  connection.lastActivityMs = state.context.clock.monotonic();
  connection.input.push(chunk);
  if (connection.stalledOn === NOBODY && connection.awaitedBytes === 0) forward(state, connection);
  updateReading(connection);
}

/** Hands on the whole frames that are there, until there is no room for the next one. */
export function forward(state: FrontState, connection: Connection): void {
  const { context, router, stalls, frame } = state;
  const { input, counters } = connection;
  if (connection.isHeld) return;
  if (connection.isStream) return forwardStream(state, connection);
  frame.connection = connection.id;
  frame.portKind = connection.portKind;
  frame.receivedMs = context.clock.now();
  while (input.bytes > 0) {
    const frameBytes = input.nextFrameBytes();
    if (frameBytes < 0) return refuseFrame(state, connection, frameBytes);
    if (frameBytes === 0 || frameBytes > input.bytes) return awaitRest(state, connection, frameBytes);
    const to = router.receiverOf(connection);
    if (to === UNREADABLE) return refuseHeader(state, connection);
    if (!stalls.mayPass(to)) {
      counters.inputStalls.add(1);
      stalls.add(connection, to);
      return;
    }
    const payloadBytes = frameBytes - FRAME.headerWord;
    const place = context.begin(to, connectionMessages.frame, frame, 0, payloadBytes);
    input.copy(FRAME.headerWord, payloadBytes, place.buffer, place.at);
    context.end(payloadBytes);
    input.skip(frameBytes);
    counters.framesIn.add(1);
    counters.frameBytesIn.add(frameBytes);
    connection.partialSinceMs = 0;
    if (connection.reservedBytes > 0) connection.budget.release(connection);
  }
}

const stream = { connection: 0 };

function forwardStream({ context, stalls }: FrontState, connection: Connection): void {
  const { id, input, owner, counters } = connection;
  stream.connection = id;
  while (input.bytes > 0) {
    if (!stalls.mayPass(owner)) {
      counters.inputStalls.add(1);
      return stalls.add(connection, owner);
    }
    const bytes = Math.min(input.bytes, STREAM_PIECE_BYTES);
    const place = context.begin(owner, streamMessages.bytes, stream, 0, bytes);
    input.copy(0, bytes, place.buffer, place.at);
    context.end(bytes);
    input.skip(bytes);
  }
}

/** A frame has begun and is not all there; `frameBytes` is 0 while its length is not known. */
function awaitRest(state: FrontState, connection: Connection, frameBytes: number): void {
  if (connection.partialSinceMs === 0) connection.partialSinceMs = state.context.clock.monotonic();
  if (frameBytes >= LARGE_FRAME_BYTES && connection.reservedBytes === 0) {
    connection.budget.reserve(connection, frameBytes);
  }
}

function refuseFrame(state: FrontState, connection: Connection, problem: number): void {
  const { input } = connection;
  const lengthWord = input.int32(FRAME.length);
  const headerWord = input.bytes >= FRAME.header ? input.int32(FRAME.headerWord) : 0;
  const text = otherProtocol(lengthWord) ?? frameProblemText(problem, lengthWord, headerWord);
  refuse(state, connection, PROBLEM_REASONS[problem], text);
}

function refuseHeader(state: FrontState, connection: Connection): void {
  refuse(state, connection, 'header', state.router.problem);
}

function refuse(state: FrontState, connection: Connection, reason: CloseReason, text: string): void {
  state.log.warn(reason, `connection closed: ${text}`, {
    unit: connection.unit?.options.role,
    connection: connection.id,
    remote: remoteOf(connection.socket),
  });
  closeConnection(state, connection, reason);
}

/** What else is often sent to such a port, told by its first four bytes. */
function otherProtocol(lengthWord: number): string | undefined {
  if (lengthWord >>> 8 === 0x16_0301) return 'the peer begins a TLS handshake, and TLS is not enabled';
  switch (lengthWord) {
    case 0x4745_5420: // GET
    case 0x504f_5354: // POST
    case 0x4845_4144: // HEAD
      return 'the peer speaks HTTP to a remoting port';
    default:
      return undefined;
  }
}
