import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The checkout that this compiled file belongs to, whatever the build directory is called. */
export function repositoryRoot(): string {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, 'tsconfig.json'))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error(`no tsconfig.json above ${import.meta.dirname}`);
    directory = parent;
  }
  return directory;
}
