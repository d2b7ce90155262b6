/**
 * The text of /metrics and the verdict of /healthz, read from shared memory at scrape time: nobody is asked, no turn is
 * disturbed. Series of the same name and labels in several slabs (several threads count for one topic) are added up.
 *
 * Everything goes through prom-client's registry, beside Node's own process metrics. Our series carry their labels in
 * the metric name, escaped once, because formatting them anew takes ten times as long.
 */
import { setImmediate as nextLoop } from 'node:timers/promises';
import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import { catalog, type MetricRow } from '../../../metrics/catalog.js';
import { RingReader } from '../../runtime/ring.js';
import { type Labels, SlabReader } from '../../runtime/slab.js';
import type { FrontOptions } from './options.js';

/** Formatting gives way to the sockets after this long. */
const SLICE_MS = 2;
/** Node's event loop histogram wakes the thread this often. */
const EVENT_LOOP_PRECISION_MS = 100;
const NO_LABELS = {};

/** One line of the answer, kept between scrapes. */
interface Line {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string>>;
  value: number;
}

/** What prom-client wants of a metric: it calls `get` and formats the result. */
class Family {
  readonly aggregator = 'sum';
  readonly values: Line[] = [];
  private readonly byLabels = new Map<string, Line>();

  constructor(
    readonly name: string,
    readonly help: string,
    readonly type: 'counter' | 'gauge',
  ) {}

  async get(): Promise<this> {
    return this;
  }

  line(labels: Labels): Line {
    const metricName = this.name + labelText(labels);
    let found = this.byLabels.get(metricName);
    if (found === undefined) {
      found = { metricName, labels: NO_LABELS, value: 0 };
      this.byLabels.set(metricName, found);
      this.values.push(found);
    }
    return found;
  }
}

type Sources = Pick<FrontOptions, 'slabs' | 'rings' | 'health' | 'unitNames'>;

export class Exposition {
  readonly contentType: string;
  private readonly registry = new Registry();
  private readonly families = new Map<string, Family>();
  /** `lines[i]` is where series i of the slab goes. */
  private readonly slabs: readonly { readonly reader: SlabReader; readonly lines: Line[] }[];
  private readonly rings: readonly { readonly reader: RingReader; readonly depth: Line; readonly stalls: Line }[];
  private readonly health: Int32Array;
  private readonly up: readonly Line[];
  /** The scrape under way: whoever asks meanwhile gets the same text. */
  private running: Promise<string> | undefined;

  constructor(private readonly sources: Sources) {
    for (const row of Object.values(catalog)) this.addFamily(row);
    this.slabs = sources.slabs.map((memory) => ({ reader: new SlabReader(memory), lines: [] }));
    this.rings = sources.rings.map(({ from, to, lane, memory }) => ({
      reader: new RingReader(memory),
      depth: this.family(catalog.ringDepth.name).line({ from, to, lane }),
      stalls: this.family(catalog.ringStalls.name).line({ from, to, lane }),
    }));
    this.health = new Int32Array(sources.health);
    this.up = sources.unitNames.map((unit) => this.family(catalog.unitUp.name).line({ unit }));
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION_MS });
    this.contentType = this.registry.contentType;
  }

  /** Names of the units that do not serve. */
  down(): string[] {
    return this.sources.unitNames.filter((_, unit) => Atomics.load(this.health, unit) !== 1);
  }

  metrics(): Promise<string> {
    this.running ??= this.format().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async format(): Promise<string> {
    this.collect();
    const parts: string[] = [];
    let sliceStartMs = performance.now();
    for (const { name } of this.registry.getMetricsAsArray()) {
      parts.push(await this.registry.getSingleMetricAsString(name));
      if (performance.now() - sliceStartMs < SLICE_MS) continue;
      await nextLoop();
      sliceStartMs = performance.now();
    }
    return `${parts.join('\n\n')}\n`;
  }

  private collect(): void {
    for (const { lines } of this.slabs) for (const line of lines) line.value = 0;
    for (const { reader, lines } of this.slabs) {
      for (const [index, { name, labels, value }] of reader.read().entries()) {
        lines[index] ??= this.family(name).line(labels);
        lines[index].value += value;
      }
    }
    for (const { reader, depth, stalls } of this.rings) {
      depth.value = reader.usedBytes();
      stalls.value = reader.stalls();
    }
    for (const [unit, line] of this.up.entries()) line.value = Atomics.load(this.health, unit);
  }

  /** A name that the catalogue does not know is shown all the same. */
  private family(name: string): Family {
    return (
      this.families.get(name) ??
      this.addFamily({ name, kind: 'gauge', unit: 'events', labels: [], help: 'Not in the catalogue.' })
    );
  }

  private addFamily(row: MetricRow): Family {
    const family = new Family(row.name, row.help, row.kind);
    this.families.set(row.name, family);
    this.registry.registerMetric(family as unknown as Metric);
    return family;
  }
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/"/g, '\\"');
}
