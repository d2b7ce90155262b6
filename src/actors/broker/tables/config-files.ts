/**
 * config/*.json of a store, in Apache's format: topics.json and subscriptionGroup.json are written at the end of a batch
 * that changed them, consumerOffset.json every flushConsumerOffsetInterval and at the end, consumerFilter.json every ten
 * seconds and at the end, delayOffset.json when somebody has a new one.
 *
 *     write   x.json.tmp, sync it, then x.json becomes x.json.bak, then x.json.tmp becomes x.json
 *     read    x.json; missing, empty or unreadable: x.json.bak
 *
 * A crash in between leaves x.json.bak to start from, and a power loss no torn file. Offsets are synced on the I/O thread
 * and their new name is not synced: a power loss may bring back what was there before. Source: ConfigManager.java, MixAll.string2File.
 */
import { DiskError } from '../../../base/disk.js';
import { diskErrorFacts } from '../../../base/disk-remedy.js';
import { StartError } from '../../../base/start-error.js';
import { consumerFilterTable } from '../../../remoting/bodies/filters.js';
import {
  consumerOffsetTable,
  delayOffsetTable,
  subscriptionGroupTable,
  topicConfigTable,
} from '../../../remoting/bodies/tables.js';
import { BodyProblem, type Codec, decodeText, encodeText } from '../../../remoting/body-codec.js';
import type { Context } from '../../../runtime/actor.js';
import { makeDurableDirectory } from '../../../store/directories.js';
import { pushGroup } from './replica.js';
import type { BrokerState } from '../state.js';
import type { StoreFaults } from '../store/store-faults.js';

/** A failed write is tried again after this. */
const RETRY_MS = 1_000;
/** Source: BrokerController.initialize (consumerFilterManager.persist). */
const FILTERS_MS = 10_000;

const FILE = {
  topics: 'topics.json',
  groups: 'subscriptionGroup.json',
  offsets: 'consumerOffset.json',
  delayOffsets: 'delayOffset.json',
  filters: 'consumerFilter.json',
} as const;

interface Replacement {
  readonly text: string;
  /** Whether it is in place. */
  readonly onEnd: (isWritten: boolean) => void;
}

export class ConfigFiles {
  /** Content of delayOffset.json: what GET_ALL_DELAY_OFFSET answers. */
  delayOffsets = encodeText(delayOffsetTable, { dataVersion: undefined, offsetTable: new Map() });
  private topicsDirty = false;
  private groupsDirty = false;
  /** Files that could not be written the last time. */
  private readonly failing = new Set<string>();
  /** After a failure: no write before this, monotonic ms. */
  private notBeforeMs = 0;
  /** Files on their way to the disk, each with what is to follow. */
  private readonly replacing = new Map<string, Replacement | undefined>();
  private isClosed = false;

  constructor(
    private readonly context: Context,
    private readonly directory: string,
    private readonly faults: StoreFaults,
  ) {}

  /** Fills the tables. Throws StartError for a file that cannot be read and has no readable backup. */
  load(state: BrokerState): void {
    makeDurableDirectory(this.context.disk, this.directory);
    const topics = this.read(FILE.topics, topicConfigTable);
    if (topics !== undefined) {
      for (const [name, config] of topics.topicConfigTable) state.topics.ensure(name).config = config;
      state.topics.version = topics.dataVersion;
    }
    const groups = this.read(FILE.groups, subscriptionGroupTable);
    if (groups !== undefined) state.groups.replace(groups.subscriptionGroupTable.values(), groups.dataVersion);
    const offsets = this.read(FILE.offsets, consumerOffsetTable);
    if (offsets !== undefined) {
      state.offsets.merge(offsets.offsetTable);
      state.offsets.isDirty = false;
    }
    const delayOffsets = this.readText(FILE.delayOffsets, delayOffsetTable);
    if (delayOffsets !== undefined) this.delayOffsets = delayOffsets.text;
    this.loadFilters(state);
    this.flushOffsetsLater(state);
    this.flushFiltersLater(state);
  }

  private loadFilters({ filters }: BrokerState): void {
    const table = this.read(FILE.filters, consumerFilterTable);
    if (table === undefined || filters.load(table, this.context.clock.now())) return;
    this.context.log.warn(
      `${this.directory}/${FILE.filters} is of other settings (maxErrorRateOfBloomFilter, expectConsumerNumUseFilter) and ignored: consumers bring their filters again`,
    );
  }

  /** The topic table is to be written at the end of this batch. */
  topicsChanged(): void {
    this.topicsDirty = true;
    this.context.touch();
  }

  groupsChanged(): void {
    this.groupsDirty = true;
    this.context.touch();
  }

  /** What the master sent: written as it is. */
  replaceDelayOffsets(text: string): void {
    if (text === this.delayOffsets) return;
    const onEnd = (isWritten: boolean): void => {
      if (isWritten) this.delayOffsets = text;
    };
    if (this.isClosed) onEnd(this.attempt(FILE.delayOffsets, () => text));
    else this.replaceLater(FILE.delayOffsets, { text, onEnd });
  }

  /** At the end of a batch: writes the tables that changed in it. */
  flush(state: BrokerState): void {
    if (!this.topicsDirty && !this.groupsDirty) return;
    if (this.context.clock.monotonic() < this.notBeforeMs) return;
    const { topics, groups } = state;
    if (this.topicsDirty && this.attempt(FILE.topics, () => topicsText(topics, 'pretty'))) {
      this.topicsDirty = false;
    }
    if (this.groupsDirty && this.attempt(FILE.groups, () => groupsText(groups, 'pretty'))) {
      this.groupsDirty = false;
    }
  }

  /** Writes everything that is not written yet. */
  close(state: BrokerState): void {
    this.notBeforeMs = 0;
    this.flush(state);
    this.isClosed = true;
    const { offsets, filters } = state;
    // Nothing that is under way is awaited: it is written again. The schedule does so after this.
    const isDue = (name: string, { isDirty }: { readonly isDirty: boolean }): boolean =>
      isDirty || this.replacing.has(name);
    const writesOffsets = isDue(FILE.offsets, offsets);
    const writesFilters = isDue(FILE.filters, filters);
    this.replacing.clear();
    if (writesOffsets && this.attempt(FILE.offsets, () => offsetsText(offsets, 'pretty'))) offsets.isDirty = false;
    if (writesFilters && this.attempt(FILE.filters, () => filtersText(filters))) filters.isDirty = false;
  }

  private flushFiltersLater(state: BrokerState): void {
    this.context.after(FILTERS_MS, () => {
      const { filters, settings } = state;
      const cleaned = filters.clean(this.context.clock.now(), settings.filterDataCleanTimeSpan);
      for (const group of cleaned) pushGroup(state, group);
      if (filters.isDirty) {
        filters.isDirty = false;
        const onEnd = (isWritten: boolean): void => {
          if (!isWritten) filters.isDirty = true;
        };
        this.replaceLater(FILE.filters, { text: filtersText(filters), onEnd });
      }
      this.flushFiltersLater(state);
    });
  }

  private flushOffsetsLater(state: BrokerState): void {
    this.context.after(state.settings.flushConsumerOffsetInterval, () => {
      this.flushOffsets(state);
      this.flushOffsetsLater(state);
    });
  }

  private flushOffsets({ offsets }: BrokerState): void {
    if (!offsets.isDirty) return;
    offsets.isDirty = false;
    const onEnd = (isWritten: boolean): void => {
      if (!isWritten) offsets.isDirty = true;
    };
    this.replaceLater(FILE.offsets, { text: offsetsText(offsets, 'pretty'), onEnd });
  }

  /** The same as `replace`, waiting for the device elsewhere; while one is under way the newest text waits for it. */
  private replaceLater(name: string, replacement: Replacement): void {
    if (this.replacing.has(name)) {
      this.replacing.set(name, replacement);
      return;
    }
    const { disk } = this.context;
    const path = `${this.directory}/${name}`;
    const done = (error: DiskError | undefined): void => {
      // Closed meanwhile, and written there.
      if (!this.replacing.has(name)) return;
      const next = this.replacing.get(name);
      this.replacing.delete(name);
      const failure = error ?? failureOf(() => this.moveIntoPlace(path));
      replacement.onEnd(failure === undefined);
      this.report(name, failure);
      if (next !== undefined) this.replaceLater(name, next);
    };
    this.replacing.set(name, undefined);
    const failure = failureOf(() => {
      disk.writeFile(`${path}.tmp`, replacement.text);
      const file = disk.open(`${path}.tmp`);
      try {
        file.syncLater(done);
      } finally {
        file.close();
      }
    });
    if (failure !== undefined) done(failure);
  }

  /** False when the disk refuses: what is in memory goes on serving, and is written later. */
  private attempt(name: string, text: () => string): boolean {
    const failure = failureOf(() => this.replace(`${this.directory}/${name}`, text()));
    this.report(name, failure);
    return failure === undefined;
  }

  private report(name: string, error: DiskError | undefined): void {
    if (error === undefined) {
      if (this.failing.delete(name) && this.failing.size === 0) this.faults.worked('config');
      return;
    }
    this.failing.add(name);
    this.faults.failed('config', diskErrorFacts(error));
    this.notBeforeMs = this.context.clock.monotonic() + RETRY_MS;
    this.context.after(RETRY_MS, () => this.context.touch());
  }

  private replace(path: string, text: string): void {
    const { disk } = this.context;
    const temporary = `${path}.tmp`;
    disk.writeFile(temporary, text);
    const file = disk.open(temporary);
    try {
      file.sync();
    } finally {
      file.close();
    }
    this.moveIntoPlace(path);
    disk.syncDirectory(this.directory);
  }

  private moveIntoPlace(path: string): void {
    const { disk } = this.context;
    if (disk.stat(path) !== undefined) disk.rename(path, `${path}.bak`);
    disk.rename(`${path}.tmp`, path);
  }

  private read<T>(name: string, codec: Codec<T>): T | undefined {
    return this.readText(name, codec)?.value;
  }

  private readText<T>(name: string, codec: Codec<T>): { readonly value: T; readonly text: string } | undefined {
    const { disk, log } = this.context;
    const path = `${this.directory}/${name}`;
    const problems: string[] = [];
    for (const candidate of [path, `${path}.bak`]) {
      const text = disk.readFile(candidate)?.toString('utf8') ?? '';
      if (text.trim() === '') {
        // Otherwise the next write would make the empty file the backup.
        if (candidate === path) disk.remove(path);
        continue;
      }
      const value = decodeText(codec, text);
      if (!(value instanceof BodyProblem)) {
        if (problems.length > 0) {
          disk.rename(path, `${path}.unreadable`);
          log.warn(`${problems[0]}; its backup is used instead, it is kept as ${path}.unreadable`);
        } else if (candidate !== path) {
          log.warn(`${path} is missing or empty; its backup is used instead`);
        }
        return { value, text };
      }
      problems.push(`${candidate} cannot be read: ${value.text}`);
    }
    if (problems.length === 0) return undefined;
    throw new StartError(`${this.context.name}: ${problems.join('; ')}: repair it, or move it away to start without`);
  }
}

/** What the disk refused; undefined when it did not. */
function failureOf(action: () => void): DiskError | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof DiskError) return error;
    throw error;
  }
}

/** Content of topics.json, and the body of GET_ALL_TOPIC_CONFIG. */
export function topicsText(topics: BrokerState['topics'], style: 'plain' | 'pretty'): string {
  const configured = [...topics.all()].flatMap(({ name, config }) =>
    config === undefined ? [] : [[name, config] as const],
  );
  return encodeText(topicConfigTable, { dataVersion: topics.version, topicConfigTable: new Map(configured) }, style);
}

/** Content of subscriptionGroup.json, and the body of GET_ALL_SUBSCRIPTIONGROUP_CONFIG. */
export function groupsText(groups: BrokerState['groups'], style: 'plain' | 'pretty'): string {
  const table = new Map([...groups.all()].map((config) => [config.groupName, config]));
  return encodeText(subscriptionGroupTable, { dataVersion: groups.version, subscriptionGroupTable: table }, style);
}

/** Content of consumerFilter.json. */
function filtersText(filters: BrokerState['filters']): string {
  return encodeText(consumerFilterTable, filters.table(), 'pretty');
}

/** Content of consumerOffset.json, and the body of GET_ALL_CONSUMER_OFFSET. */
export function offsetsText(offsets: BrokerState['offsets'], style: 'plain' | 'pretty'): string {
  return encodeText(consumerOffsetTable, { offsetTable: offsets.entries() }, style);
}
