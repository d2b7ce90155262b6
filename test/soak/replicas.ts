/** After an orderly stop a slave's commit log is the beginning of its master's, or all of it, byte by byte. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where the two differ, by the offset of the first byte; undefined when they do not. Files end in zeros. */
export function differenceOf(masterStore: string, slaveStore: string): string | undefined {
  const [master, slave] = [join(masterStore, 'commitlog'), join(slaveStore, 'commitlog')];
  const names = readdirSync(slave).sort();
  const own = new Set(readdirSync(master));
  for (const name of names) {
    if (!own.has(name)) return `${name} is not in ${master}`;
    const [a, b] = [readFileSync(join(master, name)), readFileSync(join(slave, name))];
    const end = lengthOf(b);
    if (!a.subarray(0, end).equals(b.subarray(0, end))) {
      let at = 0;
      while (a[at] === b[at]) at++;
      return `${join(slave, name)} differs from its master's at byte ${at}`;
    }
  }
  return undefined;
}

function lengthOf(file: Buffer): number {
  let end = file.length;
  while (end > 0 && file[end - 1] === 0) end--;
  return end;
}
