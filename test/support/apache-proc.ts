/** What the kernel says about processes, summed over the processes of a cluster. Linux only: it reads /proc. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const BYTES_PER_KIB = 1024;
/** Fields of /proc/PID/stat, counted from the one after the command name (which may hold blanks). */
const STAT_FIELD = { userTicks: 11, systemTicks: 12 } as const;

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Resident memory, mapped files included, as every process list shows it. */
export function residentBytes(pids: readonly number[]): number {
  return sum(pids, (pid) => {
    const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return Number(match![1]) * BYTES_PER_KIB;
  });
}

/** User and system time since the processes began. */
export function cpuSeconds(pids: readonly number[]): number {
  const ticks = sum(pids, (pid) => {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return Number(fields[STAT_FIELD.userTicks]) + Number(fields[STAT_FIELD.systemTicks]);
  });
  return ticks / ticksPerSecond;
}

function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + of(pid), 0);
}
