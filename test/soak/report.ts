/** What a soak found, as text. */
import { DUPLICATE_CAUSES, type DuplicateCause } from './duplicates.js';
import type { SoakResult } from './run.js';

const CAUSES = Object.keys(DUPLICATE_CAUSES) as DuplicateCause[];

export function isGood({ judge, faults }: SoakResult): boolean {
  return judge.violations.size === 0 && faults.length === 0;
}

export function report(result: SoakResult): string {
  const { judge, strikes, ends, faults, peaceMs, slowStops, torn } = result;
  const { tried, acknowledged, failed, rolledBack, statuses } = judge.counts;
  const lines = [
    `strikes       ${listed(strikes)}`,
    `clients that ended by themselves: ${ends.size === 0 ? 'none' : listed(ends)}`,
    `sent          ${tried}: ${acknowledged} acknowledged (${listed(statuses)}), ${rolledBack} rolled back, ${failed} failed, the others were cut off by the end of their producer`,
    `cut off       ${torn} records of the journal, by kills; ${slowStops} orderly stops of servers, after 5 s`,
    `peace         ${(peaceMs / 1000).toFixed(1)} s until every group had everything`,
    '',
    ...duplicates(result),
    '',
  ];
  if (judge.violations.size > 0) lines.push(`VIOLATED      ${listed(judge.violations)}`, ...judge.told);
  lines.push(...faults);
  lines.push(isGood(result) ? 'at least once, in order: held' : 'NOT HELD');
  return lines.join('\n');
}

function duplicates({ judge }: SoakResult): string[] {
  const rows = [...judge.audiences.values()].map(({ name, consumed, refused, duplicates: again }) => [
    name,
    consumed,
    refused,
    ...CAUSES.map((cause) => again[cause]),
  ]);
  const table = [['group', 'consumed', 'refused', ...CAUSES], ...rows].map((row) => row.map(String));
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const lines = table.map((row) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join('  '),
  );
  return [...lines, '', 'consumed again:', ...CAUSES.map((cause) => `  ${cause}: ${DUPLICATE_CAUSES[cause]}`)];
}

function listed(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([what, count]) => `${count} ${what}`).join(', ');
}
