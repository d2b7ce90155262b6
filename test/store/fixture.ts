/** The store directory that Apache 4.9.7 wrote (fixtures/README.md). */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Disk } from '../../src/base/disk.js';

export interface ApachePut {
  readonly status: string;
  readonly topic: string;
  readonly queueId: number;
  readonly flag: number;
  readonly sysFlag: number;
  readonly bornTimestamp: number;
  readonly reconsumeTimes: number;
  readonly preparedTransactionOffset: number;
  /** Hex. */
  readonly body: string;
  readonly properties: string;
  readonly queueOffset: number;
  readonly physicalOffset: number;
  readonly bytes: number;
  readonly storeTimestamp: number;
  readonly msgId: string;
}

export interface ApacheStore {
  readonly options: {
    readonly fileBytes: number;
    readonly queueFileBytes: number;
    readonly indexSlots: number;
    readonly indexEntries: number;
  };
  readonly puts: readonly ApachePut[];
  readonly batch: {
    /** Hex of the batch body as the client sends it. */
    readonly body: string;
    readonly properties: string;
    /** One id per message, joined by commas. */
    readonly msgId: string;
    readonly queueOffset: number;
    readonly physicalOffset: number;
    readonly bytes: number;
  };
  readonly hashes: readonly (readonly [utf8Hex: string, hash: number])[];
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly base64: string }>>;
}

const FIXTURE = 'test/store/fixtures/apache-4.9.7-store.json';

/** Compiled tests run from an output directory somewhere below the package; fixtures stay where the sources are. */
function fixturePath(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, FIXTURE))) directory = dirname(directory);
  return join(directory, FIXTURE);
}

export const apacheStore: ApacheStore = JSON.parse(readFileSync(fixturePath(), 'utf8'));

/** Content of one of its files. */
export function apacheFile(path: string): Buffer {
  const file = apacheStore.files[path];
  if (file === undefined) throw new Error(`no such file in the fixture: ${path}`);
  const content = Buffer.alloc(file.bytes);
  content.set(Buffer.from(file.base64, 'base64'));
  return content;
}

/** Lays the store out on a disk. `isClean`: as a clean stop leaves it, without `abort` and preallocated files. */
export function layOutApacheStore(disk: Disk, root: string, isClean: boolean): void {
  for (const path of Object.keys(apacheStore.files)) {
    if (isClean && (path === 'abort' || path === 'commitlog/00000000000000008192')) continue;
    const full = `${root}/${path}`;
    disk.makeDirectory(full.slice(0, full.lastIndexOf('/')));
    disk.writeFile(full, apacheFile(path));
  }
}
