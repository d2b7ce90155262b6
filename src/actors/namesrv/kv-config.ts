/**
 * The KV configuration on disk: kvConfig.json in Apache's format, `{"configTable":{namespace:{key:value}}}`, replaced as a
 * whole, with the content before the last change in kvConfig.json.bak. Source: KVConfigManager.java, MixAll.string2File.
 *
 * Apache deletes the file before it renames the new one to its name, so a crash of Apache may leave only the .bak: it is read
 * when the file is missing, empty or damaged. A damaged file without a good .bak stops the start, because serving
 * without the order configuration would be noticed much later.
 */
import { dirname } from 'node:path';
import { type Disk, DiskError, replaceFile } from '../../base/disk.js';
import { StartError } from '../../base/start-error.js';
import type { Log } from '../../runtime/actor.js';
import { KvTable } from './kv-table.js';
import type { Limits } from './limits.js';

export class KvConfig {
  private savedVersion = 0;
  /** Content of the file, for the .bak; undefined when there is none. */
  private savedText: string | undefined;

  private constructor(
    private readonly disk: Disk,
    private readonly path: string,
    readonly table: KvTable,
  ) {}

  /** Reads the file. Throws StartError, with `role` in front, when it is damaged or its directory cannot be used. */
  static load(disk: Disk, path: string, role: string, limits: Limits, log: Log): KvConfig {
    try {
      return KvConfig.read(disk, path, role, limits, log);
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      throw new StartError(
        `${role}: the KV configuration ${path} cannot be used (${error.message}): make its directory readable and writable, or choose another one with --store or kvConfigPath`,
      );
    }
  }

  private static read(disk: Disk, path: string, role: string, limits: Limits, log: Log): KvConfig {
    makeDurableDirectory(disk, dirname(path));
    checkWritable(disk, path);
    const table = new KvTable(limits);
    const kv = new KvConfig(disk, path, table);
    const problem = kv.take(path, limits.responseBytes);
    if (problem === undefined) return kv;
    const backupPath = `${path}.bak`;
    const backupProblem = kv.take(backupPath, limits.responseBytes);
    if (backupProblem === undefined) {
      log.warn('KV configuration read from its backup', { path: backupPath, because: `${path} ${problem}` });
      return kv;
    }
    const isNew = problem === MISSING || problem === EMPTY;
    if (isNew && (backupProblem === MISSING || backupProblem === EMPTY)) {
      if (problem === EMPTY) log.warn('KV configuration file is empty', { path });
      return kv;
    }
    const [damagedPath, damage] = isNew ? [backupPath, backupProblem] : [path, problem];
    throw new StartError(
      `${role}: ${damagedPath} ${damage}: repair it, or remove it to start without KV configuration`,
    );
  }

  /** Answers what is wrong with the file, or undefined when its content is in. */
  private take(path: string, maxBytes: number): string | undefined {
    const bytes = this.disk.stat(path)?.bytes;
    if (bytes === undefined) return MISSING;
    if (bytes === 0) return EMPTY;
    if (bytes > maxBytes) return `has ${bytes} bytes of at most ${maxBytes}`;
    const text = this.disk.readFile(path)?.toString('utf8') ?? '';
    const problem = this.table.load(text);
    if (problem !== undefined) return `is damaged (${problem})`;
    this.savedText = text;
    this.savedVersion = this.table.version;
    return undefined;
  }

  get isSaved(): boolean {
    return this.savedVersion === this.table.version;
  }

  /** Makes every change so far durable. Throws DiskError; then the file is as before and `isSaved` stays false. */
  save(): void {
    const { version } = this.table;
    const text = this.table.toText();
    if (this.savedText !== undefined) replaceFile(this.disk, `${this.path}.bak`, this.savedText);
    replaceFile(this.disk, this.path, text);
    this.savedText = text;
    this.savedVersion = version;
  }
}

const MISSING = 'is missing';
const EMPTY = 'is empty';

/** Or the first power loss takes the directory with everything that was synced in it. */
function makeDurableDirectory(disk: Disk, path: string): void {
  if (disk.stat(path) !== undefined) return;
  const parent = dirname(path);
  makeDurableDirectory(disk, parent);
  disk.makeDirectory(path);
  disk.syncDirectory(parent);
}

/** Fails the start rather than the first change. */
function checkWritable(disk: Disk, path: string): void {
  const probe = `${path}.tmp`;
  disk.writeFile(probe, '');
  disk.remove(probe);
}
