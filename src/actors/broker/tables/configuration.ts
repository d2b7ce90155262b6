/**
 * The broker's settings while it runs (codes 25 and 26). What is changed is written to the file that the broker was
 * started with, comments and order kept; settings that cannot change while it runs hold from the next start on. A
 * packaged topology has no file to write: its changes last until the process ends.
 * Source: Configuration.java.
 */
import { isUtf8 } from 'node:buffer';
import { editProperties } from '../../../../config/properties.js';
import { renderBrokerSettings, updateBrokerSettings } from '../../../../config/update.js';
import { DiskError, replaceFile } from '../../../base/disk.js';
import { ResponseCode } from '../../../remoting/response-codes.js';
import type { Context } from '../../../runtime/actor.js';
import { haMessages } from '../../ha/messages.js';
import { streamSettings } from '../../ha/options.js';
import { topicsChanged } from './create-topic.js';
import { checkDisk } from '../store/disk-check.js';
import { type DataVersion, firstVersion, nextVersion } from './data-version.js';
import { type Answer, fail } from '../processors/answer.js';
import { pushBroker } from './replica.js';
import type { BrokerState } from '../state.js';

export class Configuration {
  /** Changes with every update; response header of GET_BROKER_CONFIG. */
  version: DataVersion;
  /** Changed, and true after the next start. */
  private readonly pending = new Map<string, string>();

  constructor(
    private readonly context: Context,
    /** undefined: there is no file to write. */
    private readonly path: string | undefined,
  ) {
    this.version = firstVersion(context.clock.now());
  }

  /** `key=value` lines. */
  text(settings: BrokerState['settings']): string {
    return renderBrokerSettings(settings, this.pending);
  }

  /** Takes `key=value` lines, all of them or none; answers why not. */
  update(state: BrokerState, text: string): Answer | undefined {
    const { context } = this;
    const updated = updateBrokerSettings(state.settings, text);
    if (!updated.ok) {
      const code = updated.reason === 'forbidden' ? ResponseCode.NO_PERMISSION : ResponseCode.SYSTEM_ERROR;
      return fail(code, updated.remark);
    }
    for (const warning of updated.warnings) context.log.warn('settings update', { warning });
    try {
      this.write(new Map(updated.changed.map(({ key, to }) => [key, to])));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      const remark = `the settings stay as they were, because they cannot be saved: ${error.message}`;
      return fail(ResponseCode.SYSTEM_ERROR, remark);
    }
    for (const { key, from, to, live } of updated.changed) {
      if (!live) this.pending.set(key, to);
      context.log.info('setting changed', { key, from, to, from_next_start: !live });
    }
    this.version = nextVersion(this.version, context.clock.now());
    this.apply(state, updated.settings);
    return undefined;
  }

  private apply(state: BrokerState, settings: BrokerState['settings']): void {
    const permission = state.settings.brokerPermission;
    state.settings = settings;
    checkDisk(state);
    pushBroker(state);
    this.context.send(state.options.ha, haMessages.settings, { ...streamSettings(settings) });
    if (settings.brokerPermission !== permission) topicsChanged(state);
  }

  private write(changes: ReadonlyMap<string, string>): void {
    const { path, context } = this;
    if (path === undefined || changes.size === 0) return;
    const content = context.disk.readFile(path) ?? Buffer.alloc(0);
    replaceFile(context.disk, path, editProperties(content.toString(isUtf8(content) ? 'utf8' : 'latin1'), changes));
  }
}
