/** What a handler answers; namesrv.ts turns it into a frame. */
import type { RequestScan } from '../../remoting/request-scan.js';
import { ResponseCode } from '../../remoting/response-codes.js';
import type { FieldName } from '../../remoting/response-writer.js';

/** A request while its handler runs. */
export interface Request {
  /** Its header. */
  readonly scan: RequestScan;
  readonly connection: number;
  /** A copy; empty when there is none. */
  readonly body: Buffer;
}

export interface Answer {
  readonly code: ResponseCode;
  readonly remark: string;
  readonly fields: readonly (readonly [FieldName, string])[];
  readonly body: Uint8Array;
  /** The answer promises that the KV configuration is on disk: it leaves when that is true. */
  readonly needsSavedKv: boolean;
}

const NO_BODY = Buffer.alloc(0);
const REMARK_CHARACTERS_MAX = 1024;

export function ok(body: Uint8Array = NO_BODY, fields: Answer['fields'] = []): Answer {
  return { code: ResponseCode.SUCCESS, remark: '', fields, body, needsSavedKv: false };
}

export const okWhenSaved: Answer = { ...ok(), needsSavedKv: true };

/** The remark may quote the request; it is cut, because a request may be larger than an answer can be. */
export function fail(code: ResponseCode, remark: string): Answer {
  const cut = remark.length > REMARK_CHARACTERS_MAX ? `${remark.slice(0, REMARK_CHARACTERS_MAX)}...` : remark;
  return { code, remark: cut, fields: [], body: NO_BODY, needsSavedKv: false };
}
