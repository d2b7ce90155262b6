/** Network over node:net, against real sockets on the loopback address. */
import { connect, createServer, type Server, type Socket as NetSocket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MIB } from '../../src/base/units.js';
import type { Listener, Socket, SocketEvents } from '../../src/runtime/network.js';
import { NodeNetwork } from '../../src/runtime/node-network.js';

const LIMIT_MS = 10_000;

/** Fails when the condition does not become true in time; looks after every event that `changed` is told of. */
class Watch {
  private look: () => void = () => undefined;
  readonly changed = (): void => this.look();
  until(what: string, condition: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`not within ${LIMIT_MS} ms: ${what}`)), LIMIT_MS);
      this.look = () => {
        if (!condition()) return;
        clearTimeout(timer);
        resolve();
      };
      this.look();
    });
  }
}

/** Writes down what a socket reports. */
class Recorder implements SocketEvents {
  readonly chunks: Buffer[] = [];
  connected = 0;
  drained = 0;
  readonly closed: string[] = [];
  constructor(private readonly watch: Watch) {}
  get bytes(): number {
    return this.chunks.reduce((sum, { length }) => sum + length, 0);
  }
  onConnected(): void {
    this.connected++;
    this.watch.changed();
  }
  onData(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.watch.changed();
  }
  onDrained(): void {
    this.drained++;
    this.watch.changed();
  }
  onClosed(reason: string): void {
    this.closed.push(reason);
    this.watch.changed();
  }
}

interface Accepted {
  readonly socket: Socket;
  readonly events: Recorder;
}

const network = suite('network over node:net');
const open: { close(): void }[] = [];
network.after.each(() => {
  for (const one of open.splice(0)) one.close();
});

async function listening(watch: Watch, port = 0): Promise<{ port: number; accepted: Accepted[]; listener: Listener }> {
  const accepted: Accepted[] = [];
  let bound = 0;
  const listener = new NodeNetwork().listen('127.0.0.1', port, {
    onListening: (picked) => {
      bound = picked;
      watch.changed();
    },
    onFailed: (code) => assert.unreachable(code),
    onConnection: (socket) => {
      const events = new Recorder(watch);
      accepted.push({ socket, events });
      open.push({ close: () => socket.destroy('end of test') });
      watch.changed();
      return events;
    },
  });
  open.push(listener);
  await watch.until('listening', () => bound > 0);
  return { port: bound, accepted, listener };
}

/** A plain client, which reads unless paused. */
function client(port: number): NetSocket {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  open.push({ close: () => socket.destroy() });
  return socket;
}

async function pair(watch: Watch): Promise<Accepted & { readonly peer: NetSocket }> {
  const { port, accepted } = await listening(watch);
  const peer = client(port);
  peer.on('connect', watch.changed);
  await watch.until('a connection', () => accepted.length === 1 && !peer.connecting);
  return { ...accepted[0], peer };
}

network('accepts, reads, writes, and tells where the peer is', async () => {
  const watch = new Watch();
  const { socket, events, peer } = await pair(watch);
  assert.is(socket.remoteAddress, '127.0.0.1');
  assert.is(socket.remotePort, peer.localPort);
  assert.is(socket.localPort, peer.remotePort);
  peer.write('ask');
  await watch.until('data', () => events.bytes === 3);
  let got = '';
  peer.on('data', (part) => {
    got += part.toString();
    watch.changed();
  });
  socket.write(Buffer.from('answer'));
  await watch.until('an answer', () => got === 'answer');
});

network('a port in use, and a port that cannot be', async () => {
  const watch = new Watch();
  const { port } = await listening(watch);
  for (const [wanted, code] of [
    [port, 'EADDRINUSE'],
    [70_000, 'ERR_SOCKET_BAD_PORT'],
  ] as const) {
    const failures: string[] = [];
    new NodeNetwork().listen('127.0.0.1', wanted, {
      onListening: () => assert.unreachable('bound'),
      onFailed: (failure) => {
        failures.push(failure);
        watch.changed();
      },
      onConnection: () => new Recorder(watch),
    });
    await watch.until(code, () => failures.length > 0);
    assert.equal(failures, [code]);
  }
});

network('a closed listener frees its port at once and leaves connections alone', async () => {
  const watch = new Watch();
  const { port, accepted, listener } = await listening(watch);
  const peer = client(port);
  await watch.until('a connection', () => accepted.length === 1);
  listener.close();
  await listening(watch, port);
  peer.write('still there');
  await watch.until('data', () => accepted[0].events.bytes === 11);
});

network('the peer ends: closed once', async () => {
  const watch = new Watch();
  const { events, peer } = await pair(watch);
  peer.end('last');
  await watch.until('closed', () => events.closed.length > 0);
  assert.equal(events.closed, ['closed by the peer']);
  assert.is(events.bytes, 4);
});

network('the peer resets: closed once, with the code', async () => {
  const watch = new Watch();
  const { events, peer } = await pair(watch);
  peer.resetAndDestroy();
  await watch.until('closed', () => events.closed.length > 0);
  assert.equal(events.closed, ['ECONNRESET']);
});

network('destroy: closed once, with the reason given first', async () => {
  const watch = new Watch();
  const { socket, events } = await pair(watch);
  socket.destroy('because');
  socket.destroy('again');
  socket.write(Buffer.from('into the void'));
  await watch.until('closed', () => events.closed.length > 0);
  assert.equal(events.closed, ['because']);
});

network('end: what was written arrives first', async () => {
  const watch = new Watch();
  const { socket, events, peer } = await pair(watch);
  let got = 0;
  peer.on('data', (part) => {
    got += part.length;
  });
  peer.on('end', watch.changed);
  socket.write(Buffer.alloc(8 * MIB));
  socket.end();
  await watch.until('all of it', () => got === 8 * MIB && events.closed.length === 1);
  assert.equal(events.closed, ['ended']);
});

network('a peer that does not read: bytes wait, and drained says when they have left', async () => {
  const watch = new Watch();
  const { socket, events, peer } = await pair(watch);
  peer.pause();
  socket.write(Buffer.from('fits'));
  assert.is(socket.bufferedBytes, 0);
  for (let i = 0; i < 32; i++) socket.write(Buffer.alloc(MIB));
  // Less than a stream's high-water mark counts too.
  socket.write(Buffer.alloc(10));
  assert.ok(socket.bufferedBytes > 8 * MIB, `${socket.bufferedBytes}`);
  assert.is(events.drained, 0);
  peer.resume();
  await watch.until('drained', () => events.drained > 0);
  assert.is(socket.bufferedBytes, 0);
  assert.is(events.drained, 1);
});

network('a paused connection is not read, which stops the peer; resumed it loses nothing', async () => {
  const watch = new Watch();
  const { socket, events, peer } = await pair(watch);
  socket.pause();
  const total = 64 * MIB;
  for (let i = 0; i < 64; i++) peer.write(Buffer.alloc(MIB, i));
  const before = events.bytes;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.is(events.bytes, before);
  assert.ok(peer.writableLength > 32 * MIB, 'the rest waits at the peer');
  socket.resume();
  await watch.until('all of it', () => events.bytes === total);
  const all = Buffer.concat(events.chunks);
  for (let i = 0; i < 64; i++) assert.ok(all.subarray(i * MIB, (i + 1) * MIB).equals(Buffer.alloc(MIB, i)), `MiB ${i}`);
});

network('one connection delivers a bounded amount in a round of the event loop', async () => {
  const watch = new Watch();
  const { events, peer } = await pair(watch);
  let most = 0;
  let inRound = 0;
  const total = 64 * MIB;
  const onData = events.onData.bind(events);
  events.onData = (chunk) => {
    if (inRound === 0)
      setImmediate(() => {
        inRound = 0;
      });
    inRound += chunk.length;
    most = Math.max(most, inRound);
    onData(chunk);
  };
  for (let i = 0; i < 64; i++) peer.write(Buffer.alloc(MIB));
  await watch.until('all of it', () => events.bytes === total);
  assert.ok(most <= 512 * 1024, `${most} bytes in one round`);
});

network('dials, and says how it failed', async () => {
  const watch = new Watch();
  const server: Server = createServer((socket) => socket.end('hello')).listen(0, '127.0.0.1');
  open.push(server);
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  const events = new Recorder(watch);
  const socket = new NodeNetwork().connect('127.0.0.1', port, 3000, events);
  await watch.until('closed', () => events.closed.length > 0);
  assert.is(events.connected, 1);
  assert.is(Buffer.concat(events.chunks).toString(), 'hello');
  assert.is(socket.remotePort, port);
  server.close();
  for (const [host, wanted, code] of [
    ['127.0.0.1', port, /^ECONNREFUSED$/],
    ['127.0.0.1', 70_000, /^ERR_SOCKET_BAD_PORT$/],
    ['no-such-host.invalid', 9876, /^(ENOTFOUND|EAI_AGAIN)$/],
  ] as const) {
    const failed = new Recorder(watch);
    new NodeNetwork().connect(host, wanted, 3000, failed);
    await watch.until(`${host}:${wanted} fails`, () => failed.closed.length > 0);
    assert.is(failed.connected, 0);
    assert.is(failed.closed.length, 1);
    assert.match(failed.closed[0], code);
  }
});

network('a dial that is given up, by the dialer or because nobody answers', async () => {
  const watch = new Watch();
  const { port } = await listening(watch);
  const events = new Recorder(watch);
  const socket = new NodeNetwork().connect('127.0.0.1', port, 3000, events);
  socket.destroy('changed my mind');
  await watch.until('closed', () => events.closed.length > 0);
  assert.is(events.connected, 0);
  assert.equal(events.closed, ['changed my mind']);
  const late = new Recorder(watch);
  // 192.0.2.0/24 is reserved for documentation: packets to it are dropped or refused, never answered.
  new NodeNetwork().connect('192.0.2.1', 9876, 100, late);
  await watch.until('given up', () => late.closed.length > 0);
  assert.is(late.connected, 0);
  assert.match(late.closed[0], /no connection within 100 ms|ENETUNREACH|EHOSTUNREACH|ECONNREFUSED/);
});

network.run();
