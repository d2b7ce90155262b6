/**
 * Read-only replica of the broker's tables on a thread that hosts its queue actors: what pulls look at. The broker
 * pushes every change; lookups compare bytes of the request with names encoded once.
 */
import { fnv1a, type RequestScan } from '../../remoting/request-scan.js';
import { isTagType, NoFilter } from '../../filter/subscription.js';
import { type FilterCache, type RecordFilter, RetryFilter } from './filters.js';
import type { BrokerReplica, FilterReplica, GroupReplica, SubscriptionReplica, TopicReplica } from './messages.js';

/** Entries found by the UTF-8 bytes of a header value, without making a string. */
class NameTable<T> {
  private readonly byHash = new Map<number, { readonly name: Buffer; value: T }[]>();

  find(scan: RequestScan, index: number): T | undefined {
    const candidates = this.byHash.get(scan.hash(index));
    if (candidates === undefined) return undefined;
    for (const entry of candidates) if (scan.equals(index, entry.name)) return entry.value;
    return undefined;
  }

  get(name: string): T | undefined {
    const bytes = Buffer.from(name);
    return this.byHash.get(fnv1a(bytes, 0, bytes.length))?.find((entry) => entry.name.equals(bytes))?.value;
  }

  set(name: string, value: T): void {
    const bytes = Buffer.from(name);
    const hash = fnv1a(bytes, 0, bytes.length);
    const entries = this.byHash.get(hash) ?? [];
    const found = entries.find((entry) => entry.name.equals(bytes));
    if (found !== undefined) found.value = value;
    else this.byHash.set(hash, [...entries, { name: bytes, value }]);
  }

  delete(name: string): void {
    const bytes = Buffer.from(name);
    const hash = fnv1a(bytes, 0, bytes.length);
    const rest = (this.byHash.get(hash) ?? []).filter((entry) => !entry.name.equals(bytes));
    if (rest.length === 0) this.byHash.delete(hash);
    else this.byHash.set(hash, rest);
  }
}

export interface Subscription extends SubscriptionReplica {
  /** undefined: every tag. */
  readonly codes: ReadonlySet<number> | undefined;
}

export interface GroupFilter extends FilterReplica {
  /** The broker takes only what can be compiled. */
  readonly filter: RecordFilter | undefined;
}

export interface Group {
  readonly name: string;
  readonly bytes: Buffer;
  readonly settings: NonNullable<GroupReplica['settings']> | undefined;
  readonly isOnline: boolean;
  readonly isBroadcasting: boolean;
  readonly subscriptions: ReadonlyMap<string, Subscription>;
  /** By topic. */
  readonly filters: ReadonlyMap<string, GroupFilter>;
  /** Of its retry topic (filterSupportRetry); undefined: it has none. */
  readonly retryFilter: RecordFilter | undefined;
}

export interface Topic extends TopicReplica {
  readonly bytes: Buffer;
}

export class Replica {
  readonly topics = new NameTable<Topic>();
  readonly groups = new NameTable<Group>();

  constructor(
    public broker: BrokerReplica,
    private readonly filters: FilterCache,
  ) {}

  setTopic(topic: TopicReplica): void {
    this.topics.set(topic.topic, { ...topic, bytes: Buffer.from(topic.topic) });
  }

  setGroup({ group, settings, consumers, filters }: GroupReplica): void {
    if (settings === undefined && consumers === undefined) {
      this.groups.delete(group);
      return;
    }
    const subscriptions = (consumers?.subscriptions ?? []).map((one): [string, Subscription] => [
      one.topic,
      { ...one, codes: codesOf(one) },
    ]);
    const known = this.groups.get(group)?.filters;
    const compiled = new Map(
      filters.map((one) => [one.topic, { ...one, filter: this.compiled(one, known?.get(one.topic)) }]),
    );
    this.groups.set(group, {
      name: group,
      bytes: Buffer.from(group),
      settings,
      isOnline: consumers !== undefined,
      isBroadcasting: consumers?.messageModel === 'BROADCASTING',
      subscriptions: new Map(subscriptions),
      filters: compiled,
      retryFilter: compiled.size === 0 ? undefined : new RetryFilter(compiled),
    });
  }

  private compiled(
    { expressionType, expression }: FilterReplica,
    known: GroupFilter | undefined,
  ): GroupFilter['filter'] {
    if (known?.expression === expression && known.expressionType === expressionType) return known.filter;
    const filter = this.filters.get(expressionType, expression);
    return filter instanceof NoFilter ? undefined : filter;
  }
}

/** `*` or nothing lets every tag pass, otherwise the code set decides. Source: ExpressionMessageFilter. */
function codesOf({ expressionType, subString, codeSet }: SubscriptionReplica): ReadonlySet<number> | undefined {
  return !isTagType(expressionType) || subString === '*' || subString === '' ? undefined : new Set(codeSet);
}
