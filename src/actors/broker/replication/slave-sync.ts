/**
 * A slave's copy of its master's tables: topics, groups, consumer offsets, delay progress. A round as soon as the master
 * is known, then every 10 s after 3 s.
 *
 *     21 topics   from the master's port - 2, as Apache's slaves do      201 groups    replaced, data version included
 *     43 offsets  merged; what was committed here is told the master     45 delay      written as it comes
 *
 * Source: SlaveSynchronize.java.
 */
import { BodyProblem, type Codec, decodeBody } from '../../../remoting/body-codec.js';
import {
  type ConsumerOffsetTable,
  consumerOffsetTable,
  delayOffsetTable,
  subscriptionGroupTable,
  type SubscriptionGroupTable,
  topicConfigTable,
  type TopicConfigTable,
} from '../../../remoting/bodies/tables.js';
import { encodeHeader } from '../../../remoting/header-table.js';
import { RequestCode } from '../../../remoting/request-codes.js';
import { requests } from '../../../remoting/requests.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import type { Context } from '../../../runtime/actor.js';
import { isSameVersion } from '../tables/data-version.js';
import { type Remote, RemoteFailure } from '../peers/remote.js';
import { pushGroup, pushTopic, pushTopicDeleted } from '../tables/replica.js';
import { SlaveCommits } from './slave-commits.js';
import type { BrokerState } from '../state.js';

const FIRST_MS = 3_000;
const PERIOD_MS = 10_000;
const TIMEOUT_MS = 3_000;
const VIP_PORT_OFFSET = -2;
const NO_BODY = Buffer.alloc(0);

export class SlaveSync {
  /** Rounds that copied everything. */
  completed = 0;
  readonly commits: SlaveCommits;
  private state: BrokerState | undefined;
  private master: string | undefined;
  private isRunning = false;
  private isFailing = false;

  constructor(
    private readonly context: Context,
    private readonly remote: Remote,
  ) {
    this.commits = new SlaveCommits(context);
  }

  start(state: BrokerState): void {
    this.state = state;
    this.repeat(FIRST_MS);
  }

  /** What the name servers say: `host:port` of the master, undefined while there is none. */
  setMaster(address: string | undefined): void {
    const isNew = address !== undefined && address !== this.master;
    this.master = address;
    if (isNew) this.round();
  }

  private repeat(delayMs: number): void {
    this.context.after(delayMs, () => {
      this.round();
      this.repeat(PERIOD_MS);
    });
  }

  private round(): void {
    const { master, state } = this;
    if (master === undefined || state === undefined || this.isRunning) return;
    this.isRunning = true;
    const steps: ((next: (problem: string | undefined) => void) => void)[] = [
      (next) =>
        this.fetch(vipAddress(master), RequestCode.GET_ALL_TOPIC_CONFIG, topicConfigTable, next, (table) =>
          mirrorTopics(state, table),
        ),
      (next) =>
        this.fetch(master, RequestCode.GET_ALL_CONSUMER_OFFSET, consumerOffsetTable, next, (table) =>
          this.mirrorOffsets(state, master, table),
        ),
      (next) =>
        this.fetch(master, RequestCode.GET_ALL_DELAY_OFFSET, delayOffsetTable, next, (_table, text) =>
          state.files.replaceDelayOffsets(text),
        ),
      (next) =>
        this.fetch(master, RequestCode.GET_ALL_SUBSCRIPTIONGROUP_CONFIG, subscriptionGroupTable, next, (table) =>
          mirrorGroups(state, table),
        ),
    ];
    const run = (index: number): void => {
      const step = steps[index];
      if (step === undefined) return this.ended(master, undefined);
      step((problem) => (problem === undefined ? run(index + 1) : this.ended(master, problem)));
    };
    run(0);
  }

  private ended(master: string, problem: string | undefined): void {
    this.isRunning = false;
    this.context.touch();
    if (problem === undefined) {
      this.completed++;
      if (this.isFailing) this.context.log.info('tables copied from the master again', { master });
      this.isFailing = false;
    } else {
      if (!this.isFailing) this.context.log.warn('tables not copied from the master', { master, because: problem });
      this.isFailing = true;
    }
    if (this.master !== master) this.round();
  }

  /** What was committed here and the master does not know stays, and the master is told. */
  private mirrorOffsets(state: BrokerState, master: string, table: ConsumerOffsetTable): void {
    const missing = this.commits.missingIn(table);
    state.offsets.merge(table.offsetTable);
    for (const { group, topic, queueId, offset } of missing) state.offsets.commit(group, topic, queueId, offset);
    for (const commit of SlaveCommits.nextOf(missing)) {
      const { group: consumerGroup, topic, queueId, offset: commitOffset } = commit;
      const { code, header } = requests.updateConsumerOffset;
      const ext = encodeHeader(header, { consumerGroup, topic, queueId, commitOffset });
      this.remote.call(master, { code, ext }, NO_BODY, TIMEOUT_MS, (outcome) => {
        if (!(outcome instanceof RemoteFailure)) this.commits.told(commit);
      });
    }
  }

  private fetch<T>(
    address: string,
    code: number,
    codec: Codec<T>,
    next: (problem: string | undefined) => void,
    use: (value: T, text: string) => void,
  ): void {
    this.remote.call(address, { code }, NO_BODY, TIMEOUT_MS, (outcome) => {
      if (outcome instanceof RemoteFailure) {
        this.state?.registration.lookForMaster();
        return next(`${address}: ${outcome.reason}`);
      }
      const { command, body } = outcome;
      if (command.code !== ResponseCode.SUCCESS) {
        return next(`${address} answered ${code} with code ${command.code}, ${command.remark ?? 'no remark'}`);
      }
      const value = decodeBody(codec, body);
      if (value instanceof BodyProblem)
        return next(`${address} answered ${code} with a body that is none: ${value.text}`);
      use(value, body.toString('utf8'));
      next(undefined);
    });
  }
}

/** Apache's slaves ask for topics there, so that a master's busy main port does not delay it. */
function vipAddress(address: string): string {
  const colon = address.lastIndexOf(':');
  return `${address.slice(0, colon)}:${Number(address.slice(colon + 1)) + VIP_PORT_OFFSET}`;
}

/** The table becomes the master's. Queues of a topic that the master does not have any more go with it. */
function mirrorTopics(state: BrokerState, { dataVersion, topicConfigTable: table }: TopicConfigTable): void {
  const { topics, files, registration } = state;
  // Every broker has topics: an empty table is a mistake, and following it would remove every queue.
  if (table.size === 0 || isSameVersion(topics.version, dataVersion)) return;
  for (const topic of [...topics.all()]) {
    if (topic.config === undefined || table.has(topic.name)) continue;
    topics.delete(topic.name);
    for (const queue of topic.usedQueues()) queue.pendingCount = 0;
    pushTopicDeleted(state, topic.name);
  }
  for (const [name, config] of table) {
    const topic = topics.ensure(name);
    topic.config = config;
    pushTopic(state, topic);
  }
  topics.version = dataVersion;
  files.topicsChanged();
  registration.topicsChanged();
}

function mirrorGroups(
  state: BrokerState,
  { dataVersion, subscriptionGroupTable: table }: SubscriptionGroupTable,
): void {
  const { groups, files } = state;
  if (isSameVersion(groups.version, dataVersion)) return;
  const before = [...groups.all()].map(({ groupName }) => groupName);
  groups.mirror(table.values(), dataVersion);
  files.groupsChanged();
  for (const name of new Set([...before, ...table.keys()])) pushGroup(state, name);
}
