/** Reads configuration files and directories. The only part of the loaders that touches a disk. */
import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Loaded, loaded, refused } from './notes.js';
import { PROPERTIES_LIMITS } from './properties.js';

/** A file's path and content. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

/** A configuration file as text: UTF-8, or ISO 8859-1 (which Java's Properties reads) when it is not UTF-8. */
export function readConfigFile(path: string): Loaded<ConfigFile> {
  const limit = PROPERTIES_LIMITS.characters;
  let content: Buffer;
  try {
    content = readUpTo(path, limit + 1);
  } catch (error) {
    return refused(path, `cannot be read: ${explain(error)}`);
  }
  if (content.length > limit) return refused(path, `larger than ${limit} bytes: not a configuration file`);
  return loaded({ path, text: decode(content) });
}

/** Paths of the *.properties files of a directory, sorted by name. */
export function listConfigFiles(directory: string): Loaded<readonly string[]> {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith('.properties'));
    return loaded(names.sort().map((name) => join(directory, name)));
  } catch (error) {
    return refused(directory, `cannot be read: ${explain(error)}`);
  }
}

/** The directory that holds package.json: `config/` with the sample topologies stands beside it. */
export function packageDirectory(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json')) && directory !== dirname(directory))
    directory = dirname(directory);
  return directory;
}

/** broker-a-s of /etc/hangar/broker-a-s.properties. */
export function roleName(path: string): string {
  return basename(path).replace(/\.(properties|conf)$/, '');
}

function readUpTo(path: string, limit: number): Buffer {
  const descriptor = openSync(path, 'r');
  try {
    const target = Buffer.alloc(limit);
    let length = 0;
    while (length < limit) {
      const count = readSync(descriptor, target, length, limit - length, null);
      if (count === 0) break;
      length += count;
    }
    return target.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

function decode(content: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    // Not UTF-8. Every byte is a character of ISO 8859-1; a binary file is refused by the parser (NUL) or by its keys.
    return content.toString('latin1');
  }
}

const REASONS: { readonly [code: string]: string } = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'it is not a directory',
};

function explain(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return REASONS[code] ?? (error instanceof Error ? error.message : String(error));
}
