/**
 * Before a slave takes the log of a master of another process: is its own log the beginning of that one? Apache's stream
 * has no handshake, and its master sends from wherever a slave says it ends, also when that is in the middle of another
 * history. So the slave asks the master's broker, in requests that Apache's answers, too:
 *
 *     26 configuration   the same brokerName, log files of the same size
 *     28 runtime info    the own end lies within the master's log
 *     33 message         the own last record is the master's, byte for byte
 *
 * Who is asked: with haMasterAddress the broker whose replication port that is, one port below as with every 4.x broker;
 * when nobody answers there (a proxy), or without that key, the master that the name servers know. When that is nobody
 * either, the slave follows unchecked, as Apache's does.
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
import { type Outcome, RemoteFailure } from '../peers/remote.js';
import type { BrokerState } from '../state.js';

const TIMEOUT_MS = 3_000;
const NO_BODY = Buffer.alloc(0);
const REMEDY = "move the slave's store away to copy everything again";
type Next = (body: Buffer, code: number) => void;
/** Calls `done` once, in a later turn or now: with what is wrong, or nothing. */
type Done = (problem: string) => void;

export function checkMaster(state: BrokerState, done: Done): void {
  const { haMasterAddress } = state.settings;
  const { masterAddr } = state.registration;
  const byNameServers = (): void => {
    if (masterAddr !== undefined) return checkAt(state, masterAddr, undefined, done);
    if (haMasterAddress !== '') warnUnchecked(state);
    done('');
  };
  const broker = brokerBeside(haMasterAddress);
  if (broker === undefined) return byNameServers();
  ask(state, broker.address, RequestCode.GET_BROKER_CONFIG, {}, (outcome) => {
    const isThere = !(outcome instanceof RemoteFailure) && valueIn(outcome.body, 'haListenPort') === broker.haPort;
    if (isThere) checkAt(state, broker.address, outcome.body, done);
    else byNameServers();
  });
}

/** The broker that has this replication port; undefined when none can. */
function brokerBeside(haAddress: string): { readonly address: string; readonly haPort: string } | undefined {
  const colon = haAddress.lastIndexOf(':');
  const port = Number(haAddress.slice(colon + 1)) - 1;
  if (colon < 1 || port < 1) return undefined;
  return { address: `${haAddress.slice(0, colon)}:${port}`, haPort: String(port + 1) };
}

function warnUnchecked({ context, settings, log, replication }: BrokerState): void {
  if (log.endOffset === 0 || replication.hasWarned) return;
  replication.hasWarned = true;
  context.log.warn(
    `nobody at ${settings.haMasterAddress} or in the name servers says whether the own log is the beginning of the master's: it is continued unchecked`,
  );
}

function ask(
  state: BrokerState,
  address: string,
  code: RequestCode,
  ext: Readonly<Record<string, string | undefined>>,
  done: (outcome: Outcome) => void,
): void {
  state.remote.call(address, { code, ext }, NO_BODY, TIMEOUT_MS, done);
}

/** `configuration`: what the master at that address has answered to 26 already. */
function checkAt(state: BrokerState, master: string, configuration: Buffer | undefined, done: Done): void {
  const next = (code: RequestCode, ext: Readonly<Record<string, string | undefined>>, use: Next): void =>
    ask(state, master, code, ext, (outcome) => {
      if (outcome instanceof RemoteFailure) {
        state.registration.lookForMaster();
        return done(`the master cannot be asked for its log: ${outcome.reason}`);
      }
      use(outcome.body, outcome.command.code);
    });
  const compareLogs = (text: Buffer): void => {
    const problem = configurationProblem(state, master, text);
    if (problem !== undefined) return done(problem);
    // An empty log is the beginning of any.
    if (state.log.endOffset === 0) return done('');
    next(RequestCode.GET_BROKER_RUNTIME_INFO, {}, (info) => {
      const { lastRecordOffset: offset } = state.replication;
      const rangeProblem = logRangeProblem(state, info, offset);
      if (rangeProblem !== undefined) return done(rangeProblem);
      if (offset < 0) return done('');
      const ext = encodeHeader(requests.viewMessageById.header, { offset });
      next(RequestCode.VIEW_MESSAGE_BY_ID, ext, (record, code) => done(recordProblem(state, offset, record, code)));
    });
  };
  if (configuration === undefined) next(RequestCode.GET_BROKER_CONFIG, {}, compareLogs);
  else compareLogs(configuration);
}

function valueIn(configuration: Buffer, key: string): string | undefined {
  return parseProperties(configuration.toString('utf8')).entries.find((entry) => entry.key === key)?.value;
}

function configurationProblem({ settings }: BrokerState, master: string, configuration: Buffer): string | undefined {
  const name = valueIn(configuration, 'brokerName');
  if (name !== undefined && name !== settings.brokerName)
    return `the broker at ${master} is ${name}: a slave has the brokerName of its master, this one has ${settings.brokerName}; correct haMasterAddress or brokerName`;
  const key = 'mappedFileSizeCommitLog';
  const theirs = valueIn(configuration, key);
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
  return isSame ? '' : partedProblem(offset);
}

/** The record at `offset`, the own last one, is another at the master. */
export function partedProblem(offset: number): string {
  return `the message at ${offset} is not the master's: the logs have parted; ${REMEDY}`;
}
