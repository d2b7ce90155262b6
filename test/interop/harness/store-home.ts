/**
 * One store directory that brokers of either maker open in turn: same files sizes, same address, no name server. The
 * sizes are small, so that a few megabytes fill several files of every kind.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startApacheAlone } from '../../support/apache.js';
import { runHangar, startHangar } from '../../support/hangar-process.js';
import { RemotingClient } from '../../support/remoting-client.js';
import { freePort } from './ports.js';
import type { Child } from './process.js';
import { properties } from './servers.js';

export type Maker = 'apache' | 'hangar';
export type Settings = Readonly<Record<string, string | number>>;

/** Recovery syncs every queue of a thousand topics, beside whatever else the machine does. */
const READY_MS = 60_000;

/** Sizes of files, in bytes; slots and entries of an index file. */
export const SIZES = { logFile: 512 * 1024, queueFile: 1_000, indexSlots: 500, indexEntries: 400 } as const;

/** A broker that has the store open. */
export interface OpenStore {
  readonly maker: Maker;
  readonly address: string;
  readonly child: Child;
  /** An orderly stop, which leaves no abort file. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

export class StoreHome {
  readonly directory = mkdtempSync(join(tmpdir(), 'hangar-interop-store-'));
  private current: OpenStore | undefined;

  private constructor(
    readonly port: number,
    private readonly settings: Settings,
  ) {}

  static async create(settings: Settings = {}, port?: number): Promise<StoreHome> {
    return new StoreHome(port ?? (await freePort([-2, 0, 1])), settings);
  }

  get store(): string {
    return join(this.directory, 'store');
  }

  /** The configuration that both makers read. */
  values(more: Settings = {}): Settings {
    return {
      brokerClusterName: 'rocketmq-cluster',
      brokerName: 'broker-a',
      brokerId: 0,
      brokerIP1: '127.0.0.1',
      brokerIP2: '127.0.0.1',
      listenPort: this.port,
      storePathRootDir: this.store,
      storePathCommitLog: join(this.store, 'commitlog'),
      mappedFileSizeCommitLog: SIZES.logFile,
      mappedFileSizeConsumeQueue: SIZES.queueFile,
      maxHashSlotNum: SIZES.indexSlots,
      maxIndexNum: SIZES.indexEntries,
      messageIndexSafe: 'true',
      flushConsumeQueueThoroughInterval: 1_000,
      maxMessageSize: 65_536,
      deleteWhen: '04',
      fileReservedTime: 72,
      // Questions about open transactions are part of the steps that ask for them.
      transactionCheckInterval: 600_000,
      // Neither must a busy machine make Apache's broker refuse what it is sent, nor a full one.
      brokerFastFailureEnable: 'false',
      osPageCacheBusyTimeOutMills: 60_000,
      diskMaxUsedSpaceRatio: 95,
      ...this.settings,
      ...more,
    };
  }

  /** Starts a broker on the store; one at a time. */
  async open(maker: Maker, more: Settings = {}): Promise<OpenStore> {
    return await this.openWith(maker, this.values(more));
  }

  /** The same with exactly these keys. */
  async openWith(maker: Maker, values: Settings): Promise<OpenStore> {
    if (this.current !== undefined) throw new Error(`${this.store} is open already`);
    const { child, stop, kill } = maker === 'apache' ? await startApacheAlone(values) : await this.startHangar(values);
    const closing = (end: () => Promise<void>) => async () => {
      this.current = undefined;
      await end();
    };
    const inOrder = async (): Promise<void> => {
      await stop();
      if (existsSync(join(this.store, 'abort'))) throw child.failure('left an abort file behind its orderly stop');
    };
    this.current = { maker, address: `127.0.0.1:${this.port}`, child, stop: closing(inOrder), kill: closing(kill) };
    return this.current;
  }

  /** Connected to whoever has the store open. */
  async connect(host = '127.0.0.1'): Promise<RemotingClient> {
    return await RemotingClient.connect(`${host}:${this.port}`);
  }

  /** `hangar store check` finds no damage in what the last broker left. */
  async check(): Promise<void> {
    const { code, stdout, stderr } = await runHangar([
      'store',
      'check',
      this.store,
      '--config',
      this.configFile(this.values()),
    ]);
    if (code !== 0) throw new Error(`hangar store check ended with ${code}:\n${stdout}${stderr}`);
  }

  /** Ends what runs and removes the directory. */
  async remove(): Promise<void> {
    await this.current?.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A Hangar broker's process, not waited for. */
  spawnHangar(values: Settings): Child {
    return startHangar(['broker', '-c', this.configFile(values)]);
  }

  private configFile(values: Settings): string {
    const file = join(this.directory, 'hangar.properties');
    writeFileSync(file, properties(values));
    return file;
  }

  private async startHangar(values: Settings) {
    const child = this.spawnHangar(values);
    try {
      await child.waitForOutput(/^hangar is ready/m, READY_MS);
    } catch (error) {
      await child.kill();
      throw error;
    }
    return { child, stop: () => child.stop(), kill: () => child.kill() };
  }
}
