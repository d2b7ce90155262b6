/** The simulation's network: streams stay streams whatever it does to them, and every end is told once. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import type { Listener, Socket, SocketEvents } from '../../src/runtime/network.js';
import { SimNetwork } from '../../src/runtime/simulation/sim-network.js';
import { Trace } from '../../src/runtime/simulation/trace.js';
import { VirtualTime } from '../../src/runtime/simulation/virtual-time.js';
import { seedOf } from '../support/seed.js';

const HOST = '10.0.0.1';
const PORT = 80;
const SERVER = { name: 'server' };
const CLIENT = { name: 'client' };

/** One end of a connection that writes down what it hears. */
class End implements SocketEvents {
  socket!: Socket;
  readonly chunks: Buffer[] = [];
  connected = 0;
  drained = 0;
  readonly closed: string[] = [];
  onConnected = (): void => {
    this.connected++;
  };
  onData = (chunk: Buffer): void => {
    assert.is(this.closed.length, 0, 'no data after the end');
    this.chunks.push(chunk);
  };
  onDrained = (): void => {
    assert.is(this.socket.bufferedBytes, 0);
    this.drained++;
  };
  onClosed = (reason: string): void => {
    this.closed.push(reason);
  };
  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }
}

class Lab {
  readonly time = new VirtualTime(0);
  readonly network: SimNetwork;
  readonly accepted: End[] = [];
  listener: Listener;
  readonly listening: number[] = [];

  constructor(readonly seed: number) {
    this.network = new SimNetwork(this.time, prng(seed), new Trace());
    this.listener = this.listen(PORT);
    this.run(100);
  }

  listen(port: number, failures: string[] = []): Listener {
    return this.network
      .of(() => SERVER, HOST)
      .listen(HOST, port, {
        onListening: (bound) => this.listening.push(bound),
        onFailed: (code) => failures.push(code),
        onConnection: (socket) => {
          const end = new End();
          end.socket = socket;
          this.accepted.push(end);
          return end;
        },
      });
  }

  dial(port = PORT, timeoutMs = 1000): End {
    const end = new End();
    end.socket = this.network.of(() => CLIENT, '10.0.0.2').connect(HOST, port, timeoutMs, end);
    return end;
  }

  /** A connected pair: [client, server]. */
  pair(): [End, End] {
    const client = this.dial();
    this.run(200);
    assert.is(client.connected, 1);
    return [client, this.accepted.at(-1)!];
  }

  /** Lets `ms` of virtual time pass. */
  run(ms: number): void {
    const endMs = this.time.monotonic() + ms;
    for (;;) {
      const due = this.time.takeDue();
      if (due !== undefined) {
        due();
        continue;
      }
      const nextMs = this.time.nextDueMs();
      if (nextMs === undefined || nextMs > endMs) break;
      this.time.advanceTo(nextMs);
    }
    this.time.advanceTo(endMs);
  }
}

/** Runs with a few seeds: latencies, windows and pieces are drawn. */
function labs(what: string, count = 40): Lab[] {
  const first = seedOf(what);
  return Array.from({ length: count }, (_, index) => new Lab(first + index));
}

function pattern(bytes: number, from = 0): Buffer {
  const result = Buffer.alloc(bytes);
  for (let index = 0; index < bytes; index++) result[index] = (from + index) * 31;
  return result;
}

const streams = suite('simulated network: streams');

streams('bytes arrive complete and in order, in both directions, however they are cut', () => {
  let atOnce = 0;
  let drained = 0;
  for (const lab of labs('streams')) {
    const random = prng(lab.seed);
    const [client, server] = lab.pair();
    const sent = [pattern(200_000), pattern(100_000, 7)];
    for (const [index, end] of [client, server].entries()) {
      for (let at = 0; at < sent[index]!.length; ) {
        const bytes = 1 + random.below(30_000);
        const chunk = Buffer.from(sent[index]!.subarray(at, at + bytes));
        // True: the memory is ours again.
        if (end.socket.write(chunk)) {
          atOnce++;
          chunk.fill(0);
        }
        at += bytes;
        lab.run(random.unit() * 5);
      }
    }
    lab.run(60_000);
    assert.ok(server.bytes.equals(sent[0]!), `seed ${lab.seed}`);
    assert.ok(client.bytes.equals(sent[1]!), `seed ${lab.seed}`);
    drained += client.drained;
    assert.is(client.socket.bufferedBytes, 0);
  }
  // Each happens with some seeds; with one alone neither has to.
  assert.ok(atOnce + drained > 0);
});

streams('what is written before the connection is there is sent when it is', () => {
  for (const lab of labs('early writes')) {
    const client = lab.dial();
    client.socket.write(Buffer.from('hello'));
    assert.is(client.socket.bufferedBytes, 5);
    lab.run(1000);
    assert.is(lab.accepted[0]!.bytes.toString(), 'hello');
  }
});

streams('a reader that pauses slows its writer, within the bound of the window, and loses nothing', () => {
  for (const lab of labs('back-pressure', 15)) {
    const [client, server] = lab.pair();
    server.socket.pause();
    const bytes = 3 * 1024 * 1024;
    client.socket.write(pattern(bytes));
    lab.run(10_000);
    assert.is(server.bytes.length, 0);
    assert.ok(client.socket.bufferedBytes >= bytes - 1024 * 1024);
    assert.is(client.drained, 0);
    server.socket.resume();
    lab.run(120_000);
    assert.is(server.bytes.length, bytes);
    assert.is(client.socket.bufferedBytes, 0);
    assert.is(client.drained, 1);
  }
});

streams('end closes both ends after everything has arrived', () => {
  for (const lab of labs('end')) {
    const [client, server] = lab.pair();
    client.socket.write(pattern(100_000));
    client.socket.end();
    client.socket.write(pattern(10));
    lab.run(60_000);
    assert.is(server.bytes.length, 100_000);
    assert.equal(server.closed, ['closed by the peer']);
    assert.equal(client.closed, ['ended']);
    assert.is(lab.network.connections().length, 0);
  }
});

streams('an end that answers before it closes has its answer delivered', () => {
  for (const lab of labs('answer, then close')) {
    const [client, server] = lab.pair();
    client.socket.write(Buffer.from('question'));
    client.socket.end();
    server.socket.write(pattern(50_000));
    lab.run(60_000);
    assert.is(client.bytes.length, 50_000);
    assert.is(server.closed.length, 1);
    assert.is(client.closed.length, 1);
  }
});

streams('destroy closes this end at once and the other soon; what arrives is a beginning of what was sent', () => {
  for (const lab of labs('destroy')) {
    const [client, server] = lab.pair();
    const sent = pattern(300_000);
    client.socket.write(Buffer.from(sent));
    lab.run(1);
    client.socket.destroy('enough');
    server.socket.write(pattern(1000));
    lab.run(60_000);
    assert.equal(client.closed, ['enough']);
    assert.is(server.closed.length, 1);
    assert.ok(server.bytes.equals(sent.subarray(0, server.bytes.length)));
    assert.is(lab.network.connections().length, 0);
  }
});

streams.run();

const dialing = suite('simulated network: listening and dialing');

dialing('a port that nobody listens on refuses, a taken one cannot be bound, port 0 picks a free one', () => {
  for (const lab of labs('ports', 5)) {
    const refused = lab.dial(81);
    const failures: string[] = [];
    lab.listen(PORT, failures);
    lab.listen(0);
    lab.run(1000);
    assert.equal(refused.closed, ['ECONNREFUSED']);
    assert.is(refused.connected, 0);
    assert.equal(failures, ['EADDRINUSE']);
    assert.is(lab.listening.length, 2);
    const [, picked] = lab.listening as [number, number];
    const client = lab.dial(picked);
    lab.run(1000);
    assert.is(client.connected, 1);
  }
});

dialing('a closed listener refuses, open connections stay', () => {
  for (const lab of labs('closed listener', 5)) {
    const [client, server] = lab.pair();
    lab.listener.close();
    const late = lab.dial();
    client.socket.write(Buffer.from('still here'));
    lab.run(1000);
    assert.equal(late.closed, ['ECONNREFUSED']);
    assert.is(server.bytes.toString(), 'still here');
    lab.listener = lab.listen(PORT);
    lab.run(100);
    lab.pair();
  }
});

dialing('both ends know who they are talking to', () => {
  const [client, server] = new Lab(1).pair();
  assert.is(client.socket.remoteAddress, HOST);
  assert.is(client.socket.remotePort, PORT);
  assert.is(server.socket.localPort, PORT);
  assert.is(server.socket.remoteAddress, '10.0.0.2');
  assert.is(server.socket.remotePort, client.socket.localPort);
});

dialing('a dial that is given up closes, whatever the server has done by then', () => {
  for (const lab of labs('given up')) {
    const client = lab.dial();
    lab.run(prng(lab.seed).unit() * 30);
    client.socket.destroy('changed my mind');
    lab.run(60_000);
    assert.equal(client.closed, ['changed my mind']);
    for (const server of lab.accepted) assert.is(server.closed.length, 1);
    assert.is(lab.network.connections().length, 0);
  }
});

dialing.run();

const faults = suite('simulated network: faults');

faults('a cut tells both ends, and what arrived is a beginning of what was sent', () => {
  for (const lab of labs('cut')) {
    const [client, server] = lab.pair();
    const sent = pattern(200_000);
    client.socket.write(Buffer.from(sent));
    lab.run(2);
    lab.network.connections()[0]!.cut();
    client.socket.write(pattern(100));
    lab.run(60_000);
    assert.equal(client.closed, ['ECONNRESET']);
    assert.equal(server.closed, ['ECONNRESET']);
    assert.ok(server.bytes.equals(sent.subarray(0, server.bytes.length)));
  }
});

faults('a stalled direction delivers nothing for a while, then everything; the other one goes on', () => {
  for (const lab of labs('stall')) {
    const [client, server] = lab.pair();
    lab.network.connections()[0]!.stall('to server', 5000);
    client.socket.write(pattern(1000));
    server.socket.write(pattern(1000));
    lab.run(4900);
    assert.is(server.bytes.length, 0);
    assert.is(client.bytes.length, 1000);
    lab.run(5000);
    assert.ok(server.bytes.equals(pattern(1000)));
  }
});

faults('a partition holds back what it affects: connections, dials (until they time out), not others', () => {
  for (const lab of labs('partition')) {
    const [client, server] = lab.pair();
    lab.network.partition((from) => from.host === '10.0.0.2', 5000);
    client.socket.write(Buffer.from('x'));
    const impatient = lab.dial(PORT, 1000);
    const patient = lab.dial(PORT, 10_000);
    const other = new End();
    other.socket = lab.network.dial(undefined, '10.0.0.3', HOST, PORT, 1000, other);
    lab.run(4900);
    assert.is(server.bytes.length, 0);
    assert.equal(impatient.closed, ['no connection within 1000 ms']);
    assert.is(other.connected, 1);
    assert.is(patient.connected, 0);
    lab.run(5000);
    assert.is(server.bytes.toString(), 'x');
    assert.is(patient.connected, 1);
    assert.equal(impatient.closed, ['no connection within 1000 ms'], 'told once');
  }
});

faults('when an owner is killed its peers are told soon, when its machine loses power after seconds', () => {
  for (const silently of [false, true]) {
    for (const lab of labs(silently ? 'power loss' : 'kill')) {
      const [client, server] = lab.pair();
      client.socket.write(pattern(1000));
      lab.network.drop(SERVER, silently);
      lab.run(900);
      assert.is(client.closed.length, silently ? 0 : 1);
      client.socket.write(pattern(1000));
      lab.run(60_000);
      assert.is(client.closed.length, 1);
      assert.is(server.closed.length, 0, 'nobody is there to be told');
      const late = lab.dial();
      lab.run(1000);
      assert.equal(late.closed, ['ECONNREFUSED']);
    }
  }
});

faults.run();
