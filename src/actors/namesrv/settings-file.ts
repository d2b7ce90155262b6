/**
 * A name server's settings as tools see and change them (318, 319). What is changed is written to the file that the name
 * server is started with, comments and order kept; settings that cannot change while it runs hold from the next start on.
 */
import { isUtf8 } from 'node:buffer';
import { dirname } from 'node:path';
import { editProperties, parseProperties } from '../../../config/properties.js';
import type { NamesrvSettings } from '../../../config/schema.js';
import { renderNamesrvSettings, updateNamesrvSettings } from '../../../config/update.js';
import { type Disk, DiskError, replaceFile } from '../../base/disk.js';
import { ResponseCode } from '../../remoting/response-codes.js';
import type { Log } from '../../runtime/actor.js';
import { type Answer, fail, ok } from './answer.js';

export class SettingsFile {
  /** Changed, and true after the next start. */
  private readonly pending = new Map<string, string>();

  constructor(
    private readonly disk: Disk,
    private readonly log: Log,
    /** What the name server works by now. */
    public current: NamesrvSettings,
  ) {}

  /** `key=value` lines. */
  text(): string {
    return renderNamesrvSettings(this.current, this.pending);
  }

  /** Takes `key=value` lines, all of them or none. */
  update(text: string): Answer {
    const updated = updateNamesrvSettings(this.current, text);
    if (!updated.ok) {
      return fail(
        updated.reason === 'forbidden' ? ResponseCode.NO_PERMISSION : ResponseCode.SYSTEM_ERROR,
        updated.remark,
      );
    }
    for (const warning of updated.warnings) this.log.warn('settings update', { warning });
    const changes = new Map(updated.changed.map(({ key, to }) => [key, to]));
    const revoked = this.revokedBy(text, changes);
    try {
      this.write(new Map([...changes, ...revoked]));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      return fail(
        ResponseCode.SYSTEM_ERROR,
        `the settings stay as they were, because they cannot be saved: ${error.message}`,
      );
    }
    for (const key of revoked.keys()) this.pending.delete(key);
    for (const { key, from, to, live } of updated.changed) {
      if (!live) this.pending.set(key, to);
      this.log.info('setting changed', { key, from, to, fromNextStart: !live });
    }
    this.current = updated.settings;
    return ok();
  }

  /** Pending changes that the update takes back, by giving the value that the name server works by. */
  private revokedBy(text: string, changes: ReadonlyMap<string, string>): Map<string, string> {
    const { entries } = parseProperties(text);
    return new Map(
      entries.filter(({ key }) => this.pending.has(key) && !changes.has(key)).map(({ key, value }) => [key, value]),
    );
  }

  private write(changes: ReadonlyMap<string, string>): void {
    if (changes.size === 0) return;
    const path = this.current.configStorePath;
    this.disk.makeDirectory(dirname(path));
    const content = this.disk.readFile(path) ?? Buffer.alloc(0);
    replaceFile(this.disk, path, editProperties(content.toString(isUtf8(content) ? 'utf8' : 'latin1'), changes));
  }
}
