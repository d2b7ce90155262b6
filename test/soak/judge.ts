/**
 * Follows the journal and knows what would break a promise:
 *
 *     lost           acknowledged, and a group that wants it has not consumed it (nor its dead letters)
 *     never sent     consumed, and nobody tried to send it
 *     rolled back    consumed, though its transaction was
 *     damaged        its body is not what was sent
 *     unwanted       its group's filter does not match
 *     two at a place a queue offset that held two messages in turn
 *     out of order   an orderly group went on to an offset and had not consumed the one before
 *     producer order a producer that waits for every answer got a lower queue offset than before
 *
 * Duplicates break nothing. They are counted, by what the journal shows of their cause (duplicates.ts).
 */
import { duplicateOf, type DuplicateCause, newDuplicateCounts } from './duplicates.js';
import { type Group, type GroupKind, isRolledBack, numberOf, wants } from './groups.js';
import type { JournalRecord } from './journal.js';

export type Violation =
  | 'lost'
  | 'never sent'
  | 'rolled back'
  | 'damaged'
  | 'unwanted'
  | 'two at a place'
  | 'out of order'
  | 'producer order';

/** Of each kind, so many are told in full. */
const TOLD = 10;
const QUEUES_MAX = 1024;
const OFFSETS_MAX = 2 ** 32;

/** All who share what a group gets; each member of a broadcasting group is one of its own. */
export interface Audience {
  readonly name: string;
  readonly kind: GroupKind;
  consumed: number;
  refused: number;
  readonly duplicates: Record<DuplicateCause, number>;
  /** By message: how often it was consumed, and where, by whom and for which time first. */
  readonly times: number[];
  readonly firstPlace: number[];
  readonly firstMember: number[];
  /** Where further copies of messages were consumed. */
  readonly copies: Set<number>;
  /** By queue: the highest offset that was consumed. */
  readonly reached: Map<number, number>;
}

export interface Counts {
  readonly tried: number;
  readonly acknowledged: number;
  readonly failed: number;
  /** Transactions that ended so, by their producer's will or because the slave did not confirm them. */
  readonly rolledBack: number;
  /** By send status. */
  readonly statuses: ReadonlyMap<string, number>;
}

export class Judge {
  /** Records of consumers. */
  deliveries = 0;
  readonly violations = new Map<Violation, number>();
  /** The first of each kind. */
  readonly told: string[] = [];
  readonly audiences = new Map<string, Audience>();
  private readonly ids: string[] = [];
  private readonly indexes = new Map<string, number>();
  private readonly acknowledged: boolean[] = [];
  private readonly brokers: string[] = [];
  private readonly members = new Map<string, number>();
  private readonly messageAt = new Map<number, number>();
  /** By producer and queue: the highest offset that was answered. */
  private readonly answered = new Map<string, number>();
  private readonly statuses = new Map<string, number>();
  private acknowledgedCount = 0;
  private failedCount = 0;
  private rolledBackCount = 0;
  private readonly kinds: ReadonlyMap<string, GroupKind>;

  /** `broadcasting` names the members that are there all the time, without their incarnation. */
  constructor(groups: readonly Group[], broadcasting: readonly string[]) {
    this.kinds = new Map(groups.map(({ name, kind }) => [name, kind]));
    for (const { name, kind, client } of groups) {
      if (kind !== 'broadcast') this.audiences.set(name, audience(name, kind));
      else {
        for (const member of broadcasting.filter((slot) => slot.startsWith(`${client}-`))) {
          this.audiences.set(`${name} ${member}`, audience(`${name} ${member}`, kind));
        }
      }
    }
  }

  get counts(): Counts {
    const { acknowledgedCount: acknowledged, failedCount: failed, rolledBackCount: rolledBack, statuses } = this;
    return { tried: this.ids.length, acknowledged, failed, rolledBack, statuses };
  }

  take({ event, fields }: JournalRecord): void {
    switch (event) {
      case 'tried':
        this.indexOf(fields.id!);
        break;
      case 'sent':
        this.onSent(fields);
        break;
      case 'failed':
        this.failedCount++;
        break;
      case 'rolled':
        this.rolledBackCount++;
        break;
      case 'got':
      case 'refused':
        this.deliveries++;
        this.onDelivered(event === 'got', fields);
        break;
    }
  }

  /** How many messages audiences still lack, the first of them, and how many each. */
  lacking(): { count: number; first: string[]; by: Map<string, number> } {
    let count = 0;
    const first: string[] = [];
    const by = new Map<string, number>();
    for (const [name, { kind, times }] of this.audiences) {
      const dead = kind === 'retry' ? this.audiences.get(deadOf(name)) : undefined;
      for (let index = 0; index < this.ids.length; index++) {
        if (this.acknowledged[index] !== true || (times[index] ?? 0) > 0 || (dead?.times[index] ?? 0) > 0) continue;
        const id = this.ids[index]!;
        if (!wants(kind, numberOf(id)) || isRolledBack(id)) continue;
        count++;
        by.set(name, (by.get(name) ?? 0) + 1);
        if (first.length < TOLD) first.push(`${id} (${this.placeOf(index)}) to ${name}`);
      }
    }
    return { count, first, by };
  }

  /** At the end: what is lacking is lost. */
  finish(): void {
    const { count, first } = this.lacking();
    if (count === 0) return;
    this.violations.set('lost', count);
    this.told.push(...first.map((what) => `lost: ${what}`));
  }

  private onSent(fields: JournalRecord['fields']): void {
    const { id, status } = fields as { id: string; status: string };
    const index = this.indexOf(id);
    if (this.acknowledged[index] !== true) this.acknowledgedCount++;
    this.acknowledged[index] = true;
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    if (fields.o === undefined) return;
    const place = this.place(fields);
    this.occupy(place, index);
    const producer = id.slice(0, id.lastIndexOf('-'));
    const queue = `${producer} ${Math.floor(place / OFFSETS_MAX)}`;
    const offset = Number(fields.o);
    const before = this.answered.get(queue) ?? -1;
    if (offset <= before) this.violated('producer order', `${id} at ${this.say(place)} after offset ${before}`);
    this.answered.set(queue, Math.max(before, offset));
  }

  private onDelivered(isConsumed: boolean, fields: JournalRecord['fields']): void {
    const { g: group, m: member, id } = fields as { g: string; m: string; id: string };
    const kind = this.kinds.get(group);
    if (kind === undefined) throw new Error(`a group that is not in this soak: ${group}`);
    const slot = member.slice(0, member.lastIndexOf('.'));
    // Members of a broadcasting group that only visit get what comes meanwhile.
    const heard = this.audiences.get(kind === 'broadcast' ? `${group} ${slot}` : group);
    if (heard === undefined) return;
    const index = this.indexes.get(id);
    if (index === undefined) return this.violated('never sent', `${id} to ${member} of ${group}`);
    if (isRolledBack(id)) this.violated('rolled back', `${id} to ${member} of ${group}`);
    if (fields.bad !== undefined) this.violated('damaged', `${id} to ${member} of ${group}`);
    if (kind !== 'dead' && !wants(kind, numberOf(id))) this.violated('unwanted', `${id} to ${member} of ${group}`);
    // Times consumed again do not tell: Java's client forgets them when it sends a message to the retry topic twice.
    const isRetried = kind === 'dead' || fields.retry !== undefined;
    const place = isRetried ? -1 : this.place(fields);
    if (!isRetried) this.occupy(place, index);
    if (!isConsumed) {
      heard.refused++;
      return;
    }
    if (kind === 'orderly') this.inOrder(heard, place, `${id} by ${member} of ${group}`);
    this.consumed(heard, index, place, this.memberIndex(member));
  }

  private consumed(heard: Audience, index: number, place: number, member: number): void {
    const times = heard.times[index] ?? 0;
    heard.times[index] = times + 1;
    if (times === 0) {
      heard.consumed++;
      heard.firstPlace[index] = place;
      heard.firstMember[index] = member;
      return;
    }
    const first = heard.firstPlace[index]!;
    const isFurtherCopy = place >= 0 && first >= 0 && place !== first && !heard.copies.has(place);
    if (isFurtherCopy) heard.copies.add(place);
    const isSameMember = heard.firstMember[index] === member;
    heard.duplicates[duplicateOf(isFurtherCopy, place < 0 || first < 0, isSameMember)]++;
  }

  /** Going back is a redelivery; going on leaves nothing out. */
  private inOrder(heard: Audience, place: number, what: string): void {
    const queue = Math.floor(place / OFFSETS_MAX);
    const offset = place % OFFSETS_MAX;
    const before = heard.reached.get(queue) ?? -1;
    if (offset > before + 1) this.violated('out of order', `${what}: ${this.say(place)} after offset ${before}`);
    heard.reached.set(queue, Math.max(before, offset));
  }

  private occupy(place: number, index: number): void {
    const there = this.messageAt.get(place);
    if (there === undefined) this.messageAt.set(place, index);
    else if (there !== index) {
      this.violated('two at a place', `${this.say(place)}: ${this.ids[there]} and ${this.ids[index]}`);
    }
  }

  private violated(what: Violation, text: string): void {
    const count = (this.violations.get(what) ?? 0) + 1;
    this.violations.set(what, count);
    if (count <= TOLD) this.told.push(`${what}: ${text}`);
  }

  private indexOf(id: string): number {
    let index = this.indexes.get(id);
    if (index === undefined) {
      index = this.ids.push(id) - 1;
      this.indexes.set(id, index);
    }
    return index;
  }

  private memberIndex(member: string): number {
    let index = this.members.get(member);
    if (index === undefined) {
      index = this.members.size;
      this.members.set(member, index);
    }
    return index;
  }

  /** A number for (broker, queue, offset). */
  private place({ b, q, o }: JournalRecord['fields']): number {
    let broker = this.brokers.indexOf(b!);
    if (broker < 0) broker = this.brokers.push(b!) - 1;
    return (broker * QUEUES_MAX + Number(q)) * OFFSETS_MAX + Number(o);
  }

  private say(place: number): string {
    const queue = Math.floor(place / OFFSETS_MAX);
    return `${this.brokers[Math.floor(queue / QUEUES_MAX)]} queue ${queue % QUEUES_MAX} offset ${place % OFFSETS_MAX}`;
  }

  /** Where a message is, as far as anybody said; slow. */
  private placeOf(index: number): string {
    for (const [place, there] of this.messageAt) if (there === index) return this.say(place);
    return 'nobody said where';
  }
}

function audience(name: string, kind: GroupKind): Audience {
  return {
    name,
    kind,
    consumed: 0,
    refused: 0,
    duplicates: newDuplicateCounts(),
    times: [],
    firstPlace: [],
    firstMember: [],
    copies: new Set(),
    reached: new Map(),
  };
}

function deadOf(retryGroup: string): string {
  return retryGroup.replace(/retry$/, 'dead');
}
