/**
 * Encoded routes, ready to be copied into answers: every client asks for each of its topics every 30 s, and nearly always
 * gets the same bytes as the one before. Filled on demand; an entry is used as long as nothing that it shows has changed.
 */
import { topicRouteData } from '../../remoting/bodies/routes.js';
import { encodeBody } from '../../remoting/body-codec.js';
import { type KvTable, ORDER_TOPIC_CONFIG } from './kv-table.js';
import { routeOf } from './route-body.js';
import type { RouteTable, Topic } from './route-table.js';

/** How the body is written: `plain` with numbers as bare keys, or `standard` JSON for clients since 4.9.4. */
export type RouteStyle = 'plain' | 'standard';

interface Entry {
  /** Of the topic when the bodies were made. */
  readonly topicVersion: number;
  plain: Buffer | undefined;
  standard: Buffer | undefined;
}

export class RouteCache {
  private readonly entries = new Map<string, Entry>();
  private bytes = 0;
  private brokersVersion = 0;
  private kvVersion = 0;
  private withOrder = false;

  constructor(
    private readonly table: RouteTable,
    private readonly kv: KvTable,
    private readonly limitBytes: number,
  ) {}

  /** Body of the topic's route; with `orderMessageEnable` it names the queues of an ordered topic. */
  body(topic: Topic, orderMessageEnable: boolean, style: RouteStyle): Buffer {
    this.dropAllIfBrokersChanged(orderMessageEnable);
    let entry = this.entries.get(topic.name);
    const cached = entry?.topicVersion === topic.version ? entry[style] : undefined;
    if (cached !== undefined) return cached;
    if (entry?.topicVersion !== topic.version) {
      this.drop(topic.name, entry);
      entry = { topicVersion: topic.version, plain: undefined, standard: undefined };
      this.entries.set(topic.name, entry);
    }
    const orderTopicConf = orderMessageEnable ? this.kv.get(ORDER_TOPIC_CONFIG, topic.name) : undefined;
    const body = encodeBody(topicRouteData, routeOf(this.table, topic, orderTopicConf), style);
    entry[style] = body;
    this.bytes += body.length;
    for (const [name, oldest] of this.entries) {
      if (this.bytes <= this.limitBytes) break;
      this.drop(name, oldest);
    }
    return body;
  }

  get usedBytes(): number {
    return this.bytes;
  }

  /** Rare, and it changes many routes: cheaper to forget than to find out which. */
  private dropAllIfBrokersChanged(withOrder: boolean): void {
    const { brokersVersion } = this.table;
    const kvVersion = this.kv.version;
    if (brokersVersion === this.brokersVersion && kvVersion === this.kvVersion && withOrder === this.withOrder) return;
    this.entries.clear();
    this.bytes = 0;
    this.brokersVersion = brokersVersion;
    this.kvVersion = kvVersion;
    this.withOrder = withOrder;
  }

  private drop(name: string, entry: Entry | undefined): void {
    if (entry === undefined) return;
    this.entries.delete(name);
    this.bytes -= (entry.plain?.length ?? 0) + (entry.standard?.length ?? 0);
  }
}
