/**
 * A queue that a member of a group owns: pulled from the committed offset on, its messages handled one after the other.
 * Everything before `handled` was; that is what is committed.
 */
import { type Answer, PullFlag, pullFields } from '../../support/remoting-client.js';
import { violated } from '../ledger.js';
import { recordsIn, type StoredMessage } from '../stored.js';
import type { WireClient } from '../wire-client.js';
import type { Member } from './member.js';

const PULL = 11;
const QUERY_OFFSET = 14;
const UPDATE_OFFSET = 15;
const PullCode = { FOUND: 0, TOPIC_NOT_EXIST: 17, NOT_FOUND: 19, RETRY_IMMEDIATELY: 20, OFFSET_MOVED: 21 } as const;
const QUERY_NOT_FOUND = 22;
/** Whom a broker that has restarted does not know yet, with which subscription and filter. */
const UNKNOWN_FOR_NOW: readonly number[] = [24, 25, 26, 27, 28];
const COMMIT_FLAG = 1;
const HOLD_MS = 15_000;
const LATER_MS = 300;
/** A client of Java commits each 5 s. */
const COMMIT_ODDS = 0.2;

export class OwnedQueue {
  /** Everything before it was handled; -1 until the broker has said where the group is. */
  handled = -1;
  isDropped = false;
  /** Orderly members only: monotonic ms up to which the member trusts its lock. */
  lockedUntilMs = 0;
  private next = -1;
  /** What belongs to a former run (before an offset was reset) is not gone on with. */
  private run = 0;
  private isBusy = false;
  private onIdle: (() => void) | undefined;

  constructor(
    readonly member: Member,
    readonly topic: string,
    readonly queueId: number,
  ) {}

  get where(): string {
    return `${this.member.habits.role} ${this.topic}-${this.queueId}`;
  }

  start(): void {
    const { member, topic, queueId, run } = this;
    const again = (): void => this.later(() => this.start());
    const client = member.client;
    if (this.isDropped || this.handled >= 0) return;
    if (client === undefined) return again();
    client.call(QUERY_OFFSET, { consumerGroup: member.habits.group, topic, queueId }, undefined, (answer) => {
      if (this.isDropped || run !== this.run) return;
      if (answer?.code === 0) return this.goTo(Number(answer.fields.offset));
      // Nothing was ever deleted: the group begins at the begin.
      if (answer?.code === QUERY_NOT_FOUND) return this.goTo(0);
      again();
    });
  }

  /** Goes on there, whatever was handled before. */
  goTo(offset: number): void {
    this.run++;
    this.handled = offset;
    this.next = offset;
    this.pull(this.run);
  }

  /** Stops; `released` is called when the message that is being handled, if any, is done. */
  drop(released: () => void): void {
    this.isDropped = true;
    if (this.isBusy) this.onIdle = released;
    else released();
  }

  /** Tells the broker how far the group is here. */
  commit(): void {
    const { member, topic, queueId, handled } = this;
    if (handled < 0 || member.client === undefined) return;
    const fields = { consumerGroup: member.habits.group, topic, queueId, commitOffset: handled };
    member.client.oneWay(UPDATE_OFFSET, fields);
  }

  private later(go: () => void): void {
    const { simulation } = this.member.world;
    simulation.after(LATER_MS * simulation.random.unit(), go);
  }

  private isOver(run: number): boolean {
    return this.isDropped || run !== this.run || this.member.hasLeft;
  }

  private pull(run: number): void {
    const { member, topic, queueId, next } = this;
    if (this.isOver(run)) return;
    const { client } = member;
    if (client === undefined || !member.mayHandle(this)) return this.later(() => this.pull(run));
    const { type, version } = member.subscriptionOf(topic);
    const commits = member.world.simulation.random.chance(COMMIT_ODDS);
    const fields = pullFields(topic, queueId, next, {
      consumerGroup: member.habits.group,
      maxMsgNums: member.habits.maxMessages,
      sysFlag: PullFlag.suspend | (commits ? COMMIT_FLAG : 0),
      commitOffset: commits ? this.handled : 0,
      suspendTimeoutMillis: HOLD_MS,
      subscription: '',
      expressionType: type,
      subVersion: version,
    });
    client.call(PULL, fields, undefined, (answer) => {
      if (this.isOver(run)) return;
      if (answer === undefined) this.later(() => this.pull(run));
      else this.pulled(run, next, version, answer, client);
    });
  }

  private pulled(run: number, from: number, version: number, answer: Answer, client: WireClient): void {
    const { code, fields, body, remark } = answer;
    const { member, where } = this;
    const next = Number(fields.nextBeginOffset);
    member.world.ledger.count(`member pull ${code}`);
    switch (code) {
      case PullCode.FOUND:
      case PullCode.RETRY_IMMEDIATELY: {
        const messages = recordsIn(body);
        const isBetween = messages.every(({ queueOffset }) => queueOffset >= from && queueOffset < next);
        if (!isBetween)
          violated(`${where}: a pull at ${from} gives ${messages.map((m) => m.queueOffset)}, next ${next}`);
        member.habits.pulled?.({ queue: this, from, next, version, messages });
        this.next = next;
        return this.handle(run, messages, 0);
      }
      case PullCode.NOT_FOUND:
        if (next !== from) violated(`${where}: nothing found at ${from}, and the next offset is ${next}`);
        return this.pull(run);
      case PullCode.OFFSET_MOVED:
        // The broker itself has named every offset that is asked for.
        violated(`${where}: a pull at ${from} is moved to ${next}`);
        break;
      case PullCode.TOPIC_NOT_EXIST:
        break;
      default:
        if (!UNKNOWN_FOR_NOW.includes(code)) violated(`${where}: a pull at ${from} is answered ${code}: ${remark}`);
        if (client === member.client && code !== 26) member.heartbeatNow();
    }
    this.later(() => this.pull(run));
  }

  private handle(run: number, messages: readonly StoredMessage[], index: number): void {
    const { member } = this;
    if (this.isOver(run)) return;
    const message = messages[index];
    if (message === undefined) {
      this.handled = this.next;
      if (member.world.simulation.random.chance(COMMIT_ODDS)) this.commit();
      return this.pull(run);
    }
    if (!member.mayHandle(this)) return this.later(() => this.handle(run, messages, index));
    this.isBusy = true;
    member.habits.handle(message, this, () => {
      this.isBusy = false;
      // What was taken away meanwhile was handled all the same.
      if (run === this.run) this.handled = message.queueOffset + 1;
      this.onIdle?.();
      this.handle(run, messages, index + 1);
    });
  }
}
