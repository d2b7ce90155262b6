/** What a queue host counts; see metrics/catalog.ts. */
import type { Meter } from '../../runtime/slab.js';
import type { Topic } from './replica.js';

interface TopicSeries {
  readonly messages: number;
  readonly bytes: number;
}

export class HostCounters {
  private readonly values: Float64Array;
  private readonly byTopic = new Map<string, TopicSeries>();
  private readonly byCode = new Map<number, number>();
  private readonly errors = new Map<string, number>();
  private readonly heldSeries: number;
  /** Since the broker was told of them last: pulls answered with messages and without, and those messages. */
  found = 0;
  missed = 0;
  messages = 0;

  constructor(
    private readonly meter: Meter,
    private readonly broker: string,
    host: number,
  ) {
    this.values = meter.values;
    this.heldSeries = meter.series('hangar_held_pulls', { broker, host: String(host) });
  }

  /** HOT. */
  request(code: number): void {
    let series = this.byCode.get(code);
    if (series === undefined) {
      series = this.meter.series('hangar_requests_total', { unit: this.broker, code: String(code) });
      this.byCode.set(code, series);
    }
    this.values[series]!++;
  }

  /** HOT. */
  pulled(topic: Topic, messages: number, bytes: number): void {
    let series = this.byTopic.get(topic.topic);
    if (series === undefined) {
      const labels = { broker: this.broker, topic: topic.topic };
      series = {
        messages: this.meter.series('hangar_messages_out_total', labels),
        bytes: this.meter.series('hangar_message_bytes_out_total', labels),
      };
      this.byTopic.set(topic.topic, series);
    }
    this.values[series.messages]! += messages;
    this.values[series.bytes]! += bytes;
    this.found++;
    this.messages += messages;
  }

  refused(requestCode: number, responseCode: number): void {
    const key = `${requestCode}:${responseCode}`;
    let series = this.errors.get(key);
    if (series === undefined) {
      const labels = { unit: this.broker, code: String(requestCode), response: String(responseCode) };
      series = this.meter.series('hangar_request_errors_total', labels);
      this.errors.set(key, series);
    }
    this.values[series]!++;
  }

  held(count: number): void {
    this.values[this.heldSeries] = count;
  }
}
