/**
 * Keys of Hangar's own; Apache ignores them. Sizes may be written with k, m or g. Keys of the process stand in
 * `hangar.properties` beside the files of a topology, or in the file of `hangar broker -c` and `hangar namesrv -c`.
 */
import { GIB, KIB, MIB } from '../src/base/units.js';
import { MEMORY_STORE_BYTES } from './memory-store.js';
import { computed, effective, int, oneOf, optionalPort, type SettingTable, size } from './setting.js';

const DEFAULT_STORE_MAX_BYTES = computed('0; with storeKind=memory 256m', (_facts, get) =>
  get<string>('storeKind') === 'memory' ? MEMORY_STORE_BYTES : 0,
);

/** Both kinds of role. */
export const hangarCommonSettings = {
  storeKind: oneOf(
    ['file', 'memory'],
    'file',
    effective,
    'Where everything that the role stores is kept. memory: in the memory of the process, a broker in storeMaxBytes and an eighth (at least 32 MiB) more; gone when the process ends.',
  ),
} as const satisfies SettingTable;

export const hangarBrokerSettings = {
  storeMaxBytes: size(
    DEFAULT_STORE_MAX_BYTES,
    effective,
    'Most bytes of commit log, consume queues and index together, per broker: beyond it the oldest messages go, whatever their age, and the disk ratios do not count. Commit log files count in full. 0 is no limit.',
    {},
  ),
  windowBytes: size(
    32 * MIB,
    effective,
    'Newest part of the commit log that stays in memory, shared by all threads; older messages are read from the file.',
    { min: MIB, max: GIB, powerOfTwo: true },
  ),
  coldReadBytes: size(
    16 * MIB,
    effective,
    'Memory of a queue host for older messages that consumers catch up on; taken when it is needed, given back when nobody reads.',
    { min: MIB, max: GIB },
  ),
  pullHoldMax: int(65_536, effective, 'Most held pulls; one more is answered PULL_NOT_FOUND at once.', {
    max: 10_000_000,
  }),
  damagedLogAction: oneOf(
    ['refuse', 'cut'],
    'refuse',
    effective,
    'What a start does when the commit log is damaged and good messages follow that had been synced: refuse, or cut the log there; what is cut off is kept in a directory beside it.',
  ),
  queueIdleSeconds: int(60, effective, 'A queue without traffic for this long gives back its buffers and files.', {
    unit: 'seconds',
    min: 1,
    max: 86_400,
  }),
} as const satisfies SettingTable;

export const processSettings = {
  metricsPort: optionalPort(
    effective,
    'HTTP port of /metrics and /healthz. `hangar up` opens 5557, see --metrics-port.',
  ),
  workerThreads: int(0, effective, 'Threads beside the main and the front thread; 0 lets the core count decide.', {
    max: 256,
  }),
  maxConnections: int(10_000, effective, 'Most open connections; one more is closed at once.', {
    min: 1,
    max: 1_000_000,
  }),
  outputBytesPerConnection: size(
    64 * MIB,
    effective,
    'Most unsent bytes of a connection whose client does not read; beyond that the connection is closed. Room for answers to the pulls that a client makes at once.',
    { min: 64 * KIB, max: GIB },
  ),
  outputBytes: size(
    512 * MIB,
    effective,
    'Most unsent bytes of all connections together; beyond that those with most are closed.',
    { min: MIB, max: 16 * GIB },
  ),
  ringBytes: size(
    8 * MIB,
    effective,
    'Ring between the front and a worker thread. Frames larger than it pass in parts.',
    {
      min: 64 * KIB,
      max: GIB,
      powerOfTwo: true,
    },
  ),
  workerRingBytes: size(MIB, effective, 'Ring between two worker threads.', {
    min: 64 * KIB,
    max: GIB,
    powerOfTwo: true,
  }),
} as const satisfies SettingTable;
