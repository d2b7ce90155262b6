/**
 * Keys of the listeners (NettyServerConfig.java: brokers and name servers) and of outgoing connections
 * (NettyClientConfig.java: brokers). Names, types and defaults: 4.9.7, NettySystemConfig.java included.
 */
import {
  bytes,
  computed,
  effective,
  flag,
  host,
  int,
  isHost,
  long,
  millis,
  refuseTrue,
  type SettingTable,
  unbracketed,
  without,
} from './setting.js';

const NO_NETTY = without('Node.js has one I/O thread and no Netty');
const NO_SEMAPHORE = without('bounded rings replace the semaphores, see ringBytes');
const SYSTEM_BUFFERS = without('the operating system chooses, as with 0');
const BOUNDED_OUTPUT = without('see outputBytesPerConnection');

export const serverSettings = {
  listenPort: int(
    computed('10911, name server 9876', (_facts, _get, kind) => (kind === 'broker' ? 10_911 : 9876)),
    effective,
    'Port for clients; 0 is any free one. A broker also opens the ports before the last (VIP) and after (replication).',
    { max: 65_535 },
  ),
  bindAddress: {
    ...host('0.0.0.0', effective, 'Address to listen at. `hangar up` listens at 127.0.0.1, see --host.', {
      since: '5.x',
    }),
    parse: (value: string) => (isHost(value) ? unbracketed(value) : undefined),
  },
  serverChannelMaxIdleTimeSeconds: int(120, effective, 'A connection without traffic for this long is closed.', {
    unit: 'seconds',
    min: 1,
    max: 86_400,
  }),
  serverSocketBacklog: int(1024, effective, 'Connections that may wait to be accepted.', { min: 1, max: 65_535 }),
  serverWorkerThreads: int(8, NO_NETTY, 'Threads that decode.'),
  serverCallbackExecutorThreads: int(0, NO_NETTY, 'Threads for callbacks.'),
  serverSelectorThreads: int(3, NO_NETTY, 'Threads that read and write sockets.'),
  serverPooledByteBufAllocatorEnable: flag(true, NO_NETTY, 'Pool buffers.'),
  useEpollNativeSelector: flag(false, NO_NETTY, 'Use epoll by native code.'),
  serverOnewaySemaphoreValue: int(256, NO_SEMAPHORE, 'One-way requests to clients under way.'),
  serverAsyncSemaphoreValue: int(64, NO_SEMAPHORE, 'Requests to clients under way.'),
  serverSocketSndBufSize: bytes(0, SYSTEM_BUFFERS, 'Send buffer of a socket.'),
  serverSocketRcvBufSize: bytes(0, SYSTEM_BUFFERS, 'Receive buffer of a socket.'),
  writeBufferHighWaterMark: bytes(0, BOUNDED_OUTPUT, 'Unsent bytes at which a connection stops being writable.'),
  writeBufferLowWaterMark: bytes(0, BOUNDED_OUTPUT, 'Unsent bytes at which it is writable again.'),
} as const satisfies SettingTable;

export const clientSettings = {
  connectTimeoutMillis: millis(3000, effective, 'How long a connection to another process may take to open.'),
  clientChannelMaxIdleTimeSeconds: int(120, effective, 'Such a connection without traffic for this long is closed.', {
    unit: 'seconds',
    min: 1,
    max: 86_400,
  }),
  useTLS: flag(
    false,
    refuseTrue('outgoing TLS is not there yet, registrations would be sent in plain text'),
    'Use TLS towards name servers and masters.',
  ),
  clientWorkerThreads: int(4, NO_NETTY, 'Threads that decode.'),
  clientCallbackExecutorThreads: int(
    computed('cores', (facts) => facts.cores),
    NO_NETTY,
    'Threads for callbacks.',
  ),
  clientPooledByteBufAllocatorEnable: flag(false, NO_NETTY, 'Pool buffers.'),
  clientOnewaySemaphoreValue: int(65_535, NO_SEMAPHORE, 'One-way requests under way.'),
  clientAsyncSemaphoreValue: int(65_535, NO_SEMAPHORE, 'Requests under way.'),
  channelNotActiveInterval: long(60_000, without('Apache declares it and never reads it'), 'Nothing.', { unit: 'ms' }),
  clientCloseSocketIfTimeout: flag(
    true,
    without('the connection stays open, a late answer is dropped'),
    'Close a connection when a request on it is not answered in time.',
  ),
  clientSocketSndBufSize: bytes(0, SYSTEM_BUFFERS, 'Send buffer of a socket.'),
  clientSocketRcvBufSize: bytes(0, SYSTEM_BUFFERS, 'Receive buffer of a socket.'),
} as const satisfies SettingTable;
