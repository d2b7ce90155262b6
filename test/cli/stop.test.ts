/** Signals: an orderly stop under load, a doubled signal, a second one, and what the next start finds. */
import { existsSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePort } from '../interop/harness/ports.js';
import { type Child, until } from '../interop/harness/process.js';
import { properties } from '../interop/harness/servers.js';
import {
  configDirectory,
  masterValues,
  START_MS,
  STOP_MS,
  slaveValues,
  startHangar,
  stopBy,
  temporaryDirectory,
  up,
} from '../support/hangar-process.js';
import {
  Code,
  frame,
  messagesOf,
  PullFlag,
  pullFields,
  RemotingClient,
  sendFields,
  withClient,
} from '../support/remoting-client.js';
import { assertStored, Traffic } from '../support/traffic.js';

const TOPIC = 'StopTest';
const QUEUES = 4;
const HELD_PULLS = 200;
const BROKERS = ['broker-a', 'broker-a-s', 'broker-b', 'broker-b-s'];

const orderly = suite('hangar: an orderly stop');

function twoPairs(): string {
  return configDirectory({
    'namesrv-a': { listenPort: 9876 },
    'broker-a': masterValues('broker-a', 10911, { brokerRole: 'SYNC_MASTER' }),
    'broker-a-s': slaveValues('broker-a', 11011),
    'broker-b': masterValues('broker-b', 10921, { brokerRole: 'SYNC_MASTER' }),
    'broker-b-s': slaveValues('broker-b', 11021),
  });
}

/** Pulls that wait, and a client that asks for more than it reads: they must not hold up the stop. */
async function disturb(address: string): Promise<RemotingClient[]> {
  const holder = await RemotingClient.connect(address);
  const held = { sysFlag: PullFlag.subscription | PullFlag.suspend, suspendTimeoutMillis: 60_000 };
  for (let n = 0; n < HELD_PULLS; n++) holder.oneWay(Code.PULL, pullFields(TOPIC, n % QUEUES, 1_000_000_000, held));
  const deaf = await RemotingClient.connect(address);
  deaf.stopReading();
  for (let n = 0; n < 100; n++) deaf.oneWay(Code.PULL, pullFields(TOPIC, n % QUEUES, 0, { maxMsgNums: 1000 }));
  return [holder, deaf];
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  orderly(
    `${signal} under load: within ${STOP_MS} ms, and everything that was acknowledged is there afterwards`,
    async () => {
      const store = temporaryDirectory();
      const args = ['--config', twoPairs(), '--ephemeral', '--store', store];
      const first = await up(...args);
      let disturbing: RemotingClient[] = [];
      try {
        const traffics = await Promise.all(
          ['broker-a', 'broker-b'].map((name) =>
            Traffic.start(first.addresses.get(name)!, { topic: TOPIC, queues: QUEUES }),
          ),
        );
        for (const traffic of traffics) await traffic.more(500);
        disturbing = await disturb(first.addresses.get('broker-a')!);
        assert.is(await stopBy(first.child, signal), 0);
        assert.match(first.child.stdout, new RegExp(`^hangar stops \\(${signal}\\)`, 'm'));
        for (const role of BROKERS) assert.not.ok(existsSync(join(store, role, 'abort')), `abort file of ${role}`);

        const second = await up(...args);
        try {
          for (const [index, name] of ['broker-a', 'broker-b'].entries()) {
            const { broken, acknowledged, codes } = traffics[index]!;
            await broken.call(traffics[index]!);
            assert.equal([...codes.keys()], [0], 'nothing but SUCCESS was answered');
            await assertStored(second.addresses.get(name)!, TOPIC, QUEUES, acknowledged);
            await assertStored(second.addresses.get(`${name}-s`)!, TOPIC, QUEUES, acknowledged);
          }
          assert.is(await stopBy(second.child, signal), 0);
        } finally {
          await second.child.kill();
        }
      } finally {
        for (const client of disturbing) client.close();
        await first.child.kill();
      }
    },
  );
}

orderly(
  'with thousands of queues that are not on the disk yet: within the time all the same, and nothing is lost',
  async () => {
    const queues = 1_024;
    const args = ['--config', twoPairs(), '--ephemeral', '--store', temporaryDirectory()];
    const first = await up(...args);
    try {
      for (const name of ['broker-a', 'broker-b']) {
        await withClient(first.addresses.get(name)!, async (client) => {
          const sends = Array.from({ length: queues }, (_, queueId) =>
            client.call(Code.SEND, sendFields('BenchmarkTest', queueId), Buffer.from(String(queueId))),
          );
          for (const { code } of await Promise.all(sends)) assert.is(code, 0);
        });
      }
      assert.is(await stopBy(first.child, 'SIGTERM'), 0);
      const second = await up(...args);
      try {
        for (const role of BROKERS) {
          await withClient(second.addresses.get(role)!, async (client) => {
            const pulls = Array.from({ length: queues }, (_, queueId) =>
              client.call(Code.PULL, pullFields('BenchmarkTest', queueId, 0)),
            );
            const bodies = (await Promise.all(pulls)).map(({ body }) => messagesOf(body)[0]?.body.toString());
            assert.equal(
              bodies,
              Array.from({ length: queues }, (_, queueId) => String(queueId)),
              `queues of ${role}`,
            );
          });
        }
        assert.is(await stopBy(second.child, 'SIGTERM'), 0);
      } finally {
        await second.child.kill();
      }
    } finally {
      await first.child.kill();
    }
  },
);

orderly.run();

const signals = suite('hangar: signals');

const REGISTER_BROKER = 103;

/** Answers some requests, as a rule only registrations: a broker that says good-bye waits a second for it. */
class DeafNameServer {
  private readonly sockets = new Set<Socket>();
  private constructor(
    private readonly server: Server,
    private readonly answered: readonly number[],
  ) {}

  static async start(answered: readonly number[] = [REGISTER_BROKER]): Promise<DeafNameServer> {
    const server = createServer();
    const nameServer = new DeafNameServer(server, answered);
    server.on('connection', (socket) => nameServer.serve(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return nameServer;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }

  private serve(socket: Socket): void {
    let received = Buffer.alloc(0);
    this.sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
        const headerEnd = 8 + (received.readInt32BE(4) & 0xffffff);
        const { code, opaque } = JSON.parse(received.toString('utf8', 8, headerEnd));
        if (this.answered.includes(code)) {
          const header = { code: 0, extFields: {}, flag: 1, language: 'JAVA', opaque, version: 401 };
          socket.write(frame({ ...header, serializeTypeCurrentRPC: 'JSON' }));
        }
        received = received.subarray(4 + received.readInt32BE(0));
      }
    });
  }
}

interface SlowBroker {
  readonly child: Child;
  readonly address: string;
  readonly store: string;
  /** Starts it again with the same store. */
  again(): Promise<Child>;
}

/** A broker whose stop takes a second. */
async function withSlowBroker(use: (broker: SlowBroker) => Promise<void>): Promise<void> {
  const nameServer = await DeafNameServer.start();
  const directory = temporaryDirectory();
  const store = join(directory, 'store');
  const port = await freePort([-2, 0, 1]);
  const file = join(directory, 'broker.properties');
  const where = { brokerIP1: '127.0.0.1', namesrvAddr: nameServer.address, storePathRootDir: store };
  writeFileSync(file, properties(masterValues('slow', port, where)));
  const children: Child[] = [];
  const again = async (): Promise<Child> => {
    const child = startHangar(['broker', '-c', file]);
    children.push(child);
    await child.waitForOutput(/^hangar is ready/m, START_MS);
    return child;
  };
  try {
    await use({ child: await again(), address: `127.0.0.1:${port}`, store, again });
  } finally {
    for (const child of children) await child.kill();
    nameServer.close();
  }
}

signals('one that comes within 500 ms of the first is the same one: npm doubles Ctrl-C', async () => {
  await withSlowBroker(async ({ child, store }) => {
    child.signal('SIGINT');
    await child.waitForOutput(/^hangar stops/m, STOP_MS);
    assert.is(await stopBy(child, 'SIGINT'), 0);
    assert.not.ok(existsSync(join(store, 'abort')));
    assert.is(child.stdout.match(/hangar stops/g)!.length, 1);
  });
});

signals('a later one ends the process at once; the next start recovers', async () => {
  await withSlowBroker(async ({ child, address, store, again }) => {
    const traffic = await Traffic.start(address, { topic: TOPIC, queues: QUEUES });
    await traffic.more(500);
    child.signal('SIGINT');
    await child.waitForOutput(/^hangar stops/m, STOP_MS);
    // The time between two signals of a user is what this is about.
    await new Promise((resolve) => setTimeout(resolve, 550));
    assert.not.ok(child.hasEnded, 'the stop takes longer than that');
    assert.is(await stopBy(child, 'SIGINT'), 130);
    assert.ok(existsSync(join(store, 'abort')), 'it looks like a crash');
    await traffic.broken();
    const second = await again();
    await assertStored(address, TOPIC, QUEUES, traffic.acknowledged);
    assert.is(await stopBy(second, 'SIGTERM'), 0);
    assert.not.ok(existsSync(join(store, 'abort')));
  });
});

signals('one during the start ends it in order: no lock, no abort file, nothing that looks like a crash', async () => {
  // Who waits for its answer is not ready.
  const nameServer = await DeafNameServer.start([]);
  const directory = temporaryDirectory();
  const port = await freePort([-2, 0, 1]);
  const file = join(directory, 'broker.properties');
  const store = join(directory, 'store');
  const where = { brokerIP1: '127.0.0.1', namesrvAddr: nameServer.address, storePathRootDir: store };
  writeFileSync(file, properties(masterValues('broker-a', port, where)));
  for (let again = 0; again < 2; again++) {
    const child = startHangar(['broker', '-c', file]);
    try {
      await until('the broker listens', START_MS, async () => {
        (await RemotingClient.connect(`127.0.0.1:${port}`)).close();
        return true;
      });
      assert.is(await stopBy(child, 'SIGTERM'), 0);
      assert.is(child.stdout, 'hangar stops (SIGTERM); once more to stop at once\n');
      assert.not.ok(existsSync(join(store, 'abort')));
    } finally {
      await child.kill();
    }
  }
  nameServer.close();
});

signals.run();
