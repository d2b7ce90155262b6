/** PULL_MESSAGE (11): the request as read from its header, and the filter that it asks for. */
import { javaHash } from '../../message/java-hash.js';
import { HeaderKey, type RequestScan } from '../../remoting/request-scan.js';
import type { Serialization } from '../../remoting/frame.js';
import type { RecordFilter } from './filters.js';
import type { Group, Topic } from './replica.js';

/** Bits of a pull's sysFlag. Source: PullSysFlag.java. */
export const PullFlag = { COMMIT_OFFSET: 1, SUSPEND: 2, SUBSCRIPTION: 4, CLASS_FILTER: 8, LITE: 16 } as const;

export const PullKey = {
  consumerGroup: new HeaderKey('consumerGroup'),
  topic: new HeaderKey('topic'),
  queueId: new HeaderKey('queueId'),
  queueOffset: new HeaderKey('queueOffset'),
  maxMsgNums: new HeaderKey('maxMsgNums'),
  sysFlag: new HeaderKey('sysFlag'),
  commitOffset: new HeaderKey('commitOffset'),
  suspendTimeoutMillis: new HeaderKey('suspendTimeoutMillis'),
  subscription: new HeaderKey('subscription'),
  subVersion: new HeaderKey('subVersion'),
  expressionType: new HeaderKey('expressionType'),
} as const;

/** Apache's broker falls over these; the others it looks at only when the flags say so. */
const NEEDED = ['queueId', 'queueOffset', 'maxMsgNums', 'sysFlag'] as const;

/** One object is reused for pulls that are answered at once; a held pull keeps a copy. */
export class PullRequest {
  connection = 0;
  opaque = 0;
  serialization: Serialization = 0;
  topic: Topic | undefined = undefined;
  group: Group | undefined = undefined;
  queueId = 0;
  queueOffset = 0.5;
  maxMessages = 0;
  sysFlag = 0;
  commitOffset = 0.5;
  suspendTimeoutMs = 0.5;
  subVersion = 0.5;
  /** Tags that pass; undefined: all. */
  codes: ReadonlySet<number> | undefined = undefined;
  /** Of those, messages whose properties pass; undefined: all. */
  filter: RecordFilter | undefined = undefined;
  /** Characters of the filter's text when the pull brought it along. */
  filterChars = 0;

  private isComplete = true;

  /** Reads the numbers; false when one is missing or unreadable: see `problem`. */
  read(scan: RequestScan, connection: number): boolean {
    const queueId = scan.findKey(PullKey.queueId);
    const queueOffset = scan.findKey(PullKey.queueOffset);
    const maxMsgNums = scan.findKey(PullKey.maxMsgNums);
    const sysFlag = scan.findKey(PullKey.sysFlag);
    const commitOffset = scan.findKey(PullKey.commitOffset);
    const suspendTimeoutMillis = scan.findKey(PullKey.suspendTimeoutMillis);
    const subVersion = scan.findKey(PullKey.subVersion);
    this.connection = connection;
    this.opaque = scan.opaque;
    this.serialization = scan.serialization;
    this.queueId = scan.int(queueId, 0);
    // Long.MAX_VALUE asks for the end.
    this.queueOffset = scan.time(queueOffset, 0);
    this.maxMessages = scan.int(maxMsgNums, 0);
    this.sysFlag = scan.int(sysFlag, 0);
    this.commitOffset = scan.long(commitOffset, 0);
    this.suspendTimeoutMs = scan.long(suspendTimeoutMillis, 0);
    this.subVersion = scan.roundedLong(subVersion, 0);
    this.codes = undefined;
    this.filter = undefined;
    this.filterChars = 0;
    this.isComplete = (queueId | queueOffset | maxMsgNums | sysFlag) >= 0;
    return this.isComplete && scan.fault < 0;
  }

  /** Why `read` answered false. */
  problem(scan: RequestScan): string {
    if (this.isComplete) return scan.faultText();
    const missing = NEEDED.filter((name) => scan.findKey(PullKey[name]) < 0);
    return `the header field <${missing.join('>, <')}> is missing`;
  }

  has(flag: number): boolean {
    return (this.sysFlag & flag) !== 0;
  }

  copy(): PullRequest {
    return Object.assign(new PullRequest(), this);
  }
}

/**
 * Tag codes of a subscription text `A || B`; undefined: every tag. 'bad' when it is nothing but separators; blanks are no
 * tag, so that one of blanks lets nothing pass. Source: FilterAPI.buildSubscriptionData.
 */
export function codesOfText(text: string): ReadonlySet<number> | undefined | 'bad' {
  if (text === '' || text === '*') return undefined;
  const tags = text.split('||');
  if (tags.every((tag) => tag === '')) return 'bad';
  const named = tags.map((tag) => tag.trim()).filter((tag) => tag !== '');
  return new Set(named.map((tag) => javaHash(tag)));
}
