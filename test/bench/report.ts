/** The figures of issue-sized scenarios, one row each, and the markdown table that they become. */
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';

/** A line of the table. `bound` is what the ratio Hangar / Apache (or Hangar's value by itself) must keep. */
interface Row {
  readonly what: string;
  readonly unit: string;
  readonly bound?: { readonly of: 'ratio' | 'value'; readonly atMost?: number; readonly atLeast?: number };
}

const ROWS = {
  // Apache: name servers first, then all brokers at once, as its guide says.
  start: { what: 'command to all listeners serving', unit: 'ms', bound: { of: 'value', atMost: 1000 } },
  ready: { what: 'command to the first sends stored on master and slave', unit: 'ms' },
  idle: { what: 'RSS idle', unit: 'MiB', bound: { of: 'value', atMost: 200 } },
  send512: { what: 'sends, 16 connections x 32 in flight', unit: '/s', bound: { of: 'ratio', atLeast: 3 } },
  send512p99: { what: '... p99', unit: 'µs' },
  send128: { what: 'sends, 16 x 8', unit: '/s' },
  send128p99: { what: '... p99', unit: 'µs' },
  send64: { what: 'sends, 64 x 1', unit: '/s', bound: { of: 'ratio', atLeast: 2 } },
  send64p99: { what: '... p99', unit: 'µs' },
  send1: { what: 'sends, 1 x 1', unit: '/s' },
  send1p50: { what: '... p50', unit: 'µs', bound: { of: 'ratio', atMost: 0.8 } },
  pull: { what: 'catch-up pulls, 32 a request', unit: '/s', bound: { of: 'ratio', atLeast: 1 } },
  slow50: { what: 'send to held pull at 1,000/s, p50', unit: 'µs', bound: { of: 'ratio', atMost: 0.7 } },
  slow99: { what: '... p99', unit: 'µs', bound: { of: 'ratio', atMost: 0.7 } },
  fast50: { what: 'send to held pull at 10,000/s, p50', unit: 'µs' },
  fast99: { what: '... p99', unit: 'µs' },
  cpu: {
    what: 'CPU per million messages (sent, replicated, read once)',
    unit: 's',
    bound: { of: 'ratio', atMost: 0.5 },
  },
  loaded: { what: 'RSS after 1 M messages of 1 KiB', unit: 'MiB', bound: { of: 'value', atMost: 500 } },
} as const satisfies Record<string, Row>;

export type RowName = keyof typeof ROWS;
export type Result = Partial<Record<RowName, number>>;

const ROW_NAMES = Object.keys(ROWS) as RowName[];

/** Apache and Hangar side by side; either may be missing. */
export function comparison(apache: Result | undefined, hangar: Result | undefined): string {
  const lines = ['| what | Apache 4.9.7 | Hangar | Hangar / Apache | must be |', '|---|---|---|---|---|'];
  for (const name of ROW_NAMES) {
    const row: Row = ROWS[name];
    const ratio = apache?.[name] && hangar?.[name] ? hangar[name] / apache[name] : undefined;
    const cells = [row.what, figure(apache?.[name], row.unit), figure(hangar?.[name], row.unit)];
    lines.push(`| ${[...cells, ratio?.toFixed(2) ?? '', verdict(row, ratio, hangar?.[name])].join(' | ')} |`);
  }
  return lines.join('\n');
}

/** What was measured of one server. */
export function single(result: Result): string {
  const measured = ROW_NAMES.filter((name) => result[name] !== undefined);
  const lines = measured.map((name) => `| ${ROWS[name].what} | ${figure(result[name], ROWS[name].unit)} |`);
  return ['| what | figure |', '|---|---|', ...lines].join('\n');
}

/** "2025-01-31, 2 x CPU MODEL, Linux 6.1, Node.js v20.20.2": what every table of figures begins with. */
export function dateAndMachine(): string {
  const kernel = execFileSync('uname', ['-sr'], { encoding: 'utf8' }).trim();
  const cores = cpus();
  return `${new Date().toISOString().slice(0, 10)}, ${cores.length} x ${cores[0]!.model}, ${kernel}, Node.js ${process.version}`;
}

/** Of an even number, the higher of the two in the middle. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function figure(value: number | undefined, unit: string): string {
  if (value === undefined) return '';
  const digits = value < 100 ? 1 : 0;
  return `${value.toLocaleString('en-US', { maximumFractionDigits: digits })} ${unit}`;
}

function verdict({ bound, unit }: Row, ratio: number | undefined, value: number | undefined): string {
  if (bound === undefined) return '';
  const limit = bound.atLeast === undefined ? `≤ ${bound.atMost}` : `≥ ${bound.atLeast}`;
  const wanted = bound.of === 'ratio' ? `${limit} x` : `${limit} ${unit}`;
  const measured = bound.of === 'ratio' ? ratio : value;
  if (measured === undefined) return wanted;
  const kept = measured >= (bound.atLeast ?? 0) && measured <= (bound.atMost ?? Number.POSITIVE_INFINITY);
  return `${wanted} ${kept ? '(kept)' : '**(missed)**'}`;
}
