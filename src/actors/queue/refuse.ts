/** Errors that a queue host answers itself. */
import { encodeFrame, Flag } from '../../remoting/command.js';
import { RequestCode } from '../../remoting/request-codes.js';
import { frontMessages } from '../front/messages.js';
import type { HostState } from './host-state.js';
import type { PullRequest } from './pull-request.js';

const REMARK_CHARACTERS_MAX = 1024;

/** Answers the request that `state.scan` holds. */
export function respond(
  state: HostState,
  connection: number,
  code: number,
  remark?: string,
  ext?: Readonly<Record<string, string>>,
  body?: Uint8Array,
): void {
  const { scan } = state;
  if (scan.isOneWay) return;
  const { opaque, serialization } = scan;
  const parts = { code, opaque, flag: Flag.RESPONSE, serialization, remark, ...(ext === undefined ? {} : { ext }) };
  send(state, connection, encodeFrame(parts, body));
}

/** Answers a pull that was held, or read from its frame before. */
export function refuseHeld(state: HostState, request: PullRequest, code: number, remark: string): void {
  const { opaque, serialization, connection } = request;
  state.counters.requests.error(RequestCode.PULL_MESSAGE, code);
  send(state, connection, encodeFrame({ code, opaque, flag: Flag.RESPONSE, serialization, remark }));
}

function send({ context, options }: HostState, connection: number, frame: Buffer): void {
  const place = context.begin(options.front, frontMessages.write, { connection }, 0, frame.length);
  frame.copy(place.buffer, place.at);
  context.end(frame.length);
}

/** The remark may quote the request; it is cut, because a request may be larger than an answer can be. */
export function refuse(state: HostState, connection: number, code: number, remark: string): void {
  const cut = remark.length > REMARK_CHARACTERS_MAX ? `${remark.slice(0, REMARK_CHARACTERS_MAX)}...` : remark;
  state.counters.requests.error(state.scan.code, code);
  respond(state, connection, code, cut);
}
