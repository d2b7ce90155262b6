/** What an actor holds when it is gone: files, locks, timers and sockets are given back as an operating system would. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { actor, type Context } from '../../src/runtime/actor.js';
import { messageTable } from '../../src/runtime/message.js';
import type { Listener, ListenerEvents, Network, Socket, SocketEvents } from '../../src/runtime/network.js';
import { Rig } from './cores.js';

/** Hands out sockets and listeners that write down what happens to them. */
class RecordingNetwork implements Network {
  readonly calls: string[] = [];
  listening: ListenerEvents | undefined;
  dialled: SocketEvents | undefined;

  listen(_host: string, port: number, events: ListenerEvents): Listener {
    this.listening = events;
    return { close: () => this.calls.push(`close ${port}`) };
  }

  connect(_host: string, port: number, _timeoutMs: number, events: SocketEvents): Socket {
    this.dialled = events;
    return this.socket(port, () => events);
  }

  socket(port: number, events: () => SocketEvents): Socket {
    const destroy = (reason: string): void => {
      this.calls.push(`destroy ${port}`);
      events().onClosed(reason);
    };
    const ignore = (): void => undefined;
    return {
      remoteAddress: '127.0.0.1',
      remotePort: port,
      localAddress: '127.0.0.1',
      localPort: 1,
      bufferedBytes: 0,
      write: () => true,
      pause: ignore,
      resume: ignore,
      destroy,
      end: ignore,
    };
  }
}

/** What happens to a socket of a destroyed actor. */
const UNHEARD: SocketEvents = { onData: fail, onDrained: fail, onClosed: () => undefined };

function fail(): never {
  throw new Error('nobody should hear of this');
}

function started(run: (context: Context) => void, network = new RecordingNetwork()) {
  const rig = new Rig({ threads: ['sockets'], actors: { a: [0, 0] }, network });
  const definition = actor('holder', { messages: messageTable({}), start: run, on: {} });
  rig.start('a', definition);
  rig.settle();
  return { rig, network, definition };
}

const gone = suite('context: an actor that is gone');

gone('has its files closed and its locks released, and hears nothing of a sync under way', () => {
  const { rig } = started(({ disk }) => {
    disk.open('/closed', { create: true }).close();
    disk.open('/open', { create: true }).syncLater(() => assert.unreachable('the actor is gone'));
    disk.lock('/lock');
    disk.lock('/released').release();
  });
  assert.is(rig.disk.openFiles(), 2);
  assert.throws(() => rig.disk.lock('/lock'), /EAGAIN/);
  rig.cores[0]!.kill(0);
  assert.is(rig.disk.openFiles(), 0);
  rig.disk.lock('/lock').release();
  rig.advance(100);
  rig.settle();
  assert.equal(rig.crashes, []);
});

gone('has its listeners closed and its connections destroyed, those that it left open', () => {
  const network = new RecordingNetwork();
  let dialled: Socket | undefined;
  const { rig } = started(({ network: own }) => {
    const events = { onData: fail, onDrained: fail, onClosed: fail };
    own.listen('127.0.0.1', 80, { onListening: fail, onFailed: fail, onConnection: () => events });
    own.listen('127.0.0.1', 81, { onListening: fail, onFailed: fail, onConnection: () => events }).close();
    dialled = own.connect('127.0.0.1', 90, 1000, events);
  }, network);
  const accepted = network.socket(7, () => acceptedEvents);
  const acceptedEvents = network.listening!.onConnection(accepted);
  assert.ok(dialled !== undefined);
  rig.cores[0]!.kill(0);
  assert.equal(network.calls, ['close 81', 'close 80', 'destroy 90', 'destroy 7']);
  network.dialled!.onData(Buffer.alloc(1));
  rig.settle();
  assert.equal(rig.crashes, []);
});

gone('takes no connection any more', () => {
  const network = new RecordingNetwork();
  const { rig } = started(({ network: own }) => {
    own.listen('127.0.0.1', 80, { onListening: fail, onFailed: fail, onConnection: () => fail() });
  }, network);
  rig.cores[0]!.kill(0);
  network.calls.length = 0;
  network.listening!.onConnection(network.socket(7, () => UNHEARD));
  assert.equal(network.calls, ['destroy 7']);
});

gone.run();

const sockets = suite('context: sockets');

sockets('what happens to a socket is heard in turns of the actor', () => {
  const heard: string[] = [];
  const { rig, network } = started(({ network: own }) => {
    own.connect('127.0.0.1', 90, 1000, {
      onConnected: () => heard.push('connected'),
      onData: (chunk) => heard.push(`data ${chunk}`),
      onDrained: () => heard.push('drained'),
      onClosed: (reason) => heard.push(`closed ${reason}`),
    });
  });
  network.dialled!.onConnected!();
  network.dialled!.onData(Buffer.from('x'));
  network.dialled!.onDrained();
  network.dialled!.onClosed('bye');
  assert.equal(heard, []);
  assert.ok(rig.cores[0]!.hasWork());
  rig.settle();
  assert.equal(heard, ['connected', 'data x', 'drained', 'closed bye']);
});

sockets('an actor that throws at a new connection crashes alone, and the connection is closed', () => {
  const { rig, network } = started(({ network: own }) => {
    own.listen('127.0.0.1', 80, {
      onListening: fail,
      onFailed: fail,
      onConnection: () => {
        throw new Error('no more ids');
      },
    });
  });
  const events = network.listening!.onConnection(network.socket(7, () => UNHEARD));
  assert.equal(
    rig.crashes.map(({ during, error }) => `${during}: ${error.message}`),
    ['a new connection: no more ids'],
  );
  assert.ok(network.calls.includes('destroy 7'));
  events.onData(Buffer.alloc(1));
});

sockets('a thread without sockets says so', () => {
  const rig = new Rig({ threads: ['blocking'], actors: { a: [0, 0] } });
  const definition = actor('dials', {
    messages: messageTable({}),
    start: (context: Context) => context.network,
    on: {},
  });
  assert.throws(() => rig.start('a', definition), /a runs on a thread without sockets/);
});

sockets.run();
