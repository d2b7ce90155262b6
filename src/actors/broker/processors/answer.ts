/** What a handler of the broker's cold side gets and answers; index.ts turns it into a frame. */
import { BodyProblem, type Codec, decodeBody, encodeBody } from '../../../remoting/body-codec.js';
import { Flag } from '../../../remoting/command.js';
import { decodeHeader, type HeaderOf, HeaderProblem } from '../../../remoting/header-table.js';
import type { RequestSpec } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { respond, sendFrame } from '../sends/answers.js';
import type { BrokerState, Connection } from '../state.js';

/** A request while its handler runs; `state.scan` holds its header. */
export interface Request {
  readonly connection: Connection;
  /** A view, valid until the handler returns. */
  readonly body: Buffer;
}

export interface Answer {
  readonly code: ResponseCode;
  readonly remark: string | undefined;
  readonly ext: Readonly<Record<string, string>> | undefined;
  readonly body: Uint8Array | undefined;
}

/** The handler answers later, by what `answerLater` gave it. */
export const LATER = undefined;

export type Handler = (state: BrokerState, request: Request) => Answer | typeof LATER;

const REMARK_CHARACTERS_MAX = 1024;
/** Clients close the connection at a frame of 16 MiB; the header needs some of it. */
export const BODY_BYTES_MAX = 16 * 1024 * 1024 - 64 * 1024;

export const OK: Answer = { code: ResponseCode.SUCCESS, remark: undefined, ext: undefined, body: undefined };

export function okExt(ext: Readonly<Record<string, string>>): Answer {
  return { ...OK, ext };
}

export function okBody<T>(codec: Codec<T>, value: T): Answer {
  return okText(encodeBody(codec, value));
}

export function okText(body: string | Buffer): Answer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  if (bytes.length <= BODY_BYTES_MAX) return { ...OK, body: bytes };
  return fail(ResponseCode.SYSTEM_ERROR, `the answer has ${bytes.length} bytes, a frame takes ${BODY_BYTES_MAX}`);
}

/** The remark may quote the request; it is cut, because a request may be larger than an answer can be. */
export function fail(code: ResponseCode, remark: string): Answer {
  const cut = remark.length > REMARK_CHARACTERS_MAX ? `${remark.slice(0, REMARK_CHARACTERS_MAX)}...` : remark;
  return { ...OK, code, remark: cut };
}

/** A row of a processor table. The header is decoded first; one that lacks a field never reaches `handle`. */
export function on<S extends RequestSpec>(
  spec: S,
  handle: (state: BrokerState, header: HeaderOf<S['header']>, request: Request) => Answer | typeof LATER,
): readonly [number, Handler] {
  const handler: Handler = (state, request) => {
    const header = decodeHeader(spec.header as S['header'], state.scan);
    if (header instanceof HeaderProblem) return fail(ResponseCode.SYSTEM_ERROR, header.text);
    return handle(state, header, request);
  };
  return [spec.code, handler];
}

/** The same for a request that says everything in its body. */
export function onBody<T>(
  spec: RequestSpec,
  codec: Codec<T>,
  handle: (state: BrokerState, body: T, request: Request) => Answer,
): readonly [number, Handler] {
  const handler: Handler = (state, request) => {
    const value = decodeBody(codec, request.body);
    if (value instanceof BodyProblem) return fail(ResponseCode.SYSTEM_ERROR, `the body cannot be read: ${value.text}`);
    return handle(state, value, request);
  };
  return [spec.code, handler];
}

/** Answers the request that `state.scan` holds. */
export function answer(state: BrokerState, { id }: Connection, { code, remark, ext, body }: Answer): void {
  respond(state, id, code, remark, ext, body);
}

/** For a handler that returns LATER: answers the request that `state.scan` holds now, whenever it is called. */
export function answerLater(state: BrokerState, { id }: Connection): (answer: Answer) => void {
  const { opaque, serialization, isOneWay, code: requestCode } = state.scan;
  return ({ code, remark, ext, body }) => {
    if (code !== ResponseCode.SUCCESS) state.counters.requests.error(requestCode, code);
    if (isOneWay) return;
    const parts = { code, opaque, flag: Flag.RESPONSE, serialization, remark };
    sendFrame(state, id, ext === undefined ? parts : { ...parts, ext }, body);
  };
}

/** `ip:port` of a client, as tools print it. */
export function peer({ address, port }: Connection): string {
  return `${address}:${port}`;
}
