/** Frames from the broker to its connections. */
import { encodeFrame, type FrameParts, tryEncodeFrame } from '../../../remoting/command.js';
import { Flag } from '../../../remoting/command.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { frontMessages } from '../../front/messages.js';
import type { BrokerState } from '../state.js';
import { writeRefusal } from '../store/store-health.js';

const UNFIT = {
  code: ResponseCode.SYSTEM_ERROR,
  remark: 'the answer does not fit a frame',
  ext: {},
} as const;
const target = { connection: 0 };

/** HOT. Hands one complete frame to the front. */
export function sendBytes(state: BrokerState, connection: number, bytes: Buffer, start: number, end: number): void {
  target.connection = connection;
  const place = state.context.begin(state.options.front, frontMessages.write, target as never, 0, end - start);
  bytes.copy(place.buffer, place.at, start, end);
  state.context.end(end - start);
}

/** A response of the cold path. What a client answered to another one's question may not fit the form that one reads. */
export function sendFrame(state: BrokerState, connection: number, parts: FrameParts, body?: Uint8Array): void {
  const frame = tryEncodeFrame(parts, body) ?? encodeFrame({ ...parts, ...UNFIT });
  sendBytes(state, connection, frame, 0, frame.length);
}

/** Answers the request that `state.scan` holds; nothing for a one-way request. */
export function respond(
  state: BrokerState,
  connection: number,
  code: number,
  remark?: string,
  ext?: Readonly<Record<string, string | undefined>>,
  body?: Uint8Array,
): void {
  const { scan } = state;
  if (code !== ResponseCode.SUCCESS) state.counters.requests.error(scan.code, code);
  if (scan.isOneWay) return;
  const { opaque, serialization } = scan;
  const parts: FrameParts = {
    code,
    opaque,
    flag: Flag.RESPONSE,
    serialization,
    remark,
    ...(ext === undefined ? {} : { ext }),
  };
  sendFrame(state, connection, parts, body);
}

/** Lets every answer go that the written, flushed and replicated offsets cover. */
export function releaseAnswers(state: BrokerState): void {
  const { log, written, waiting, replicatedOffset } = state;
  if (!written.isEmpty) written.release(log.writtenOffset, 0, 0, state.release);
  if (!waiting.isEmpty) waiting.release(log.writtenOffset, log.flushedOffset, replicatedOffset, state.release);
}

/** Lets the answers go that have waited too long, with the code that says for what. */
export function expireAnswers(state: BrokerState): void {
  const { log, waiting, settings, context, replicatedOffset } = state;
  if (waiting.isEmpty) return;
  const { syncFlushTimeout, slaveTimeout } = settings;
  waiting.judge(context.clock.monotonic(), syncFlushTimeout, slaveTimeout, log.flushedOffset, replicatedOffset);
  waiting.release(log.writtenOffset, log.flushedOffset, replicatedOffset, state.release);
}

/** The file write failed: what waits for it is not acknowledged. A client may send again, as after any failure. */
export function refuseUnwritten(state: BrokerState): void {
  const { log, written, waiting } = state;
  const why = `service not available now: ${writeRefusal(state) ?? 'the store is not writable'}`;
  const refuse = (connection: number, bytes: Buffer, start: number, end: number): void => {
    const frame = withCode(bytes, start, end, ResponseCode.SERVICE_NOT_AVAILABLE, why);
    sendBytes(state, connection, frame, 0, frame.length);
  };
  written.dropAfter(log.writtenOffset, refuse);
  waiting.dropAfter(log.writtenOffset, refuse);
}

/** The send answer `bytes[start, end)` with another code (and remark): made anew, which happens after time-outs only. */
export function withCode(bytes: Buffer, start: number, end: number, code: number, remark?: string): Buffer {
  const frame = Buffer.from(bytes.subarray(start, end));
  const isBinary = frame.readUInt8(4) === 1;
  if (isBinary && remark === undefined) {
    frame.writeInt16BE(code, 8);
    return frame;
  }
  const opaque = isBinary ? frame.readInt32BE(13) : 0;
  if (isBinary) return encodeFrame({ code, opaque, flag: Flag.RESPONSE, serialization: 1, remark });
  const header = JSON.parse(frame.toString('utf8', 8)) as { opaque: number; extFields: Record<string, string> };
  return encodeFrame({ code, opaque: header.opaque, flag: Flag.RESPONSE, remark, ext: header.extFields });
}
