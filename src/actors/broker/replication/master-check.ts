/**
 * Before a slave takes the log of a master of another process: is its own log the beginning of that one? Apache's stream
 * has no handshake, and its master sends from wherever a slave says it ends, also when that is in the middle of another
 * history. So the slave asks the master's broker, in requests that Apache's answers, too:
 *
 *     26 configuration   log files of the same size
 *     28 runtime info    the own end lies within the master's log
 *     33 message         the own last record is the master's, byte for byte
 */
import { parseProperties } from '../../../../config/properties.js';
import { kvTable } from '../../../remoting/bodies/routes.js';
import { BodyProblem, decodeBody } from '../../../remoting/body-codec.js';
import { encodeHeader } from '../../../remoting/header-table.js';
import { RequestCode } from '../../../remoting/request-codes.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import { joinProblem } from '../../ha/stream-slaves.js';
import { findRecord } from '../lookups/record-at.js';
import { RemoteFailure } from '../peers/remote.js';
import type { BrokerState } from '../state.js';

const TIMEOUT_MS = 3_000;
const NO_BODY = Buffer.alloc(0);
const REMEDY = "move the slave's store away to copy everything again";
/** Answers that a master gives when it has no such message. */
type Next = (body: Buffer, code: number) => void;

/** `done` is called once, in a later turn or now: with what is wrong, or nothing. */
export function checkMaster(state: BrokerState, done: (problem: string) => void): void {
  const master = state.registration.masterAddr;
  // An empty log can be the beginning of any. Without an address nobody can be asked (haMasterAddress alone).
  if (master === undefined || state.log.endOffset === 0) return done('');
  const ask = (code: RequestCode, ext: Readonly<Record<string, string | undefined>>, next: Next): void =>
    state.remote.call(master, { code, ext }, NO_BODY, TIMEOUT_MS, (outcome) => {
      if (outcome instanceof RemoteFailure) return done(`the master cannot be asked for its log: ${outcome.reason}`);
      next(outcome.body, outcome.command.code);
    });
  ask(RequestCode.GET_BROKER_CONFIG, {}, (configuration) => {
    const sizeProblem = fileSizeProblem(state, configuration);
    if (sizeProblem !== undefined) return done(sizeProblem);
    ask(RequestCode.GET_BROKER_RUNTIME_INFO, {}, (info) => {
      const { lastRecordOffset: offset } = state.replication;
      const rangeProblem = logRangeProblem(state, info, offset);
      if (rangeProblem !== undefined) return done(rangeProblem);
      if (offset < 0) return done('');
      const ext = encodeHeader(requests.viewMessageById.header, { offset });
      ask(RequestCode.VIEW_MESSAGE_BY_ID, ext, (record, code) => done(recordProblem(state, offset, record, code)));
    });
  });
}

function fileSizeProblem({ settings }: BrokerState, configuration: Buffer): string | undefined {
  const key = 'mappedFileSizeCommitLog';
  const theirs = parseProperties(configuration.toString('utf8')).entries.find((entry) => entry.key === key)?.value;
  if (theirs === undefined || Number(theirs) === settings.mappedFileSizeCommitLog) return undefined;
  return `the master's ${key} is ${theirs}, the own one ${settings.mappedFileSizeCommitLog}: set it to the master's and start with an empty store`;
}

function logRangeProblem({ log }: BrokerState, info: Buffer, lastRecord: number): string | undefined {
  const decoded = decodeBody(kvTable, info);
  if (decoded instanceof BodyProblem) return `the master's answer cannot be read: ${decoded.text}`;
  const min = Number(decoded.table.get('commitLogMinOffset') ?? Number.NaN);
  const end = Number(decoded.table.get('commitLogMaxOffset') ?? Number.NaN);
  if (Number.isNaN(min) || Number.isNaN(end)) return 'the master does not say where its log begins and ends';
  const problem = joinProblem(log.endOffset, Math.max(0, min), end);
  // Only where files begin: the master has the next byte, and nothing more that both have.
  if (problem === undefined && lastRecord >= 0 && lastRecord < min)
    return `the master has deleted the own last message, at ${lastRecord}, so that nothing shows whether both logs are one: ${REMEDY}`;
  return problem;
}

/** The last record is the one that a lost tail of the master would have replaced by others. */
function recordProblem(state: BrokerState, offset: number, record: Buffer, code: number): string {
  const own = findRecord(state, offset);
  if (own === undefined) return `the own last record at ${offset} cannot be read`;
  const isSame = code === ResponseCode.SUCCESS && record.compare(own.buffer, 0, own.totalBytes) === 0;
  return isSame ? '' : `the message at ${offset} is not the master's: the logs have parted; ${REMEDY}`;
}
