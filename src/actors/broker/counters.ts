/** What a broker counts, as numbers of series in its thread's slab; hot code adds to `values` and nothing else. */
import type { Meter } from '../../runtime/slab.js';
import type { BrokerTopic } from './topic-table.js';

export class Counters {
  private readonly values: Float64Array;
  private readonly byCode = new Map<number, number>();
  private readonly errors = new Map<string, number>();
  /** Messages stored since the start; the runtime information's putMessageTimesTotal. */
  putMessages = 0;
  putBytes = 0;
  failedPuts = 0;

  constructor(
    private readonly meter: Meter,
    private readonly broker: string,
  ) {
    this.values = meter.values;
  }

  /** HOT. A request of that code. */
  requests(code: number): void {
    let series = this.byCode.get(code);
    if (series === undefined) {
      series = this.meter.series('hangar_requests_total', { unit: this.broker, code: String(code) });
      this.byCode.set(code, series);
    }
    this.values[series]!++;
  }

  /** HOT. `count` messages of `bytes` record bytes went into the log. */
  stored(topic: BrokerTopic, count: number, bytes: number): void {
    this.putMessages += count;
    this.putBytes += bytes;
    if (topic.messagesSeries < 0) {
      const labels = { broker: this.broker, topic: topic.name };
      topic.messagesSeries = this.meter.series('hangar_messages_in_total', labels);
      topic.bytesSeries = this.meter.series('hangar_message_bytes_in_total', labels);
    }
    this.values[topic.messagesSeries]! += count;
    this.values[topic.bytesSeries]! += bytes;
  }

  /** A message's keys could not be put into the index. */
  notIndexed(): void {
    this.values[this.meter.series('hangar_messages_not_indexed_total', { broker: this.broker })]!++;
  }

  /** HOT. A slave has taken over `count` messages. */
  replicated(count: number, bytes: number): void {
    this.putMessages += count;
    this.putBytes += bytes;
  }

  /** A request was answered with an error. */
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

  gauge(name: string, value: number): void {
    this.values[this.meter.series(name, { broker: this.broker })] = value;
  }
}
