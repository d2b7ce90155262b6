/**
 * A master and a slave of ours in processes of their own: what SYNC_MASTER answers when the slave is away, stands still or
 * is far behind; a link that is cut and slow; kills of either and of both; reading when the master is gone.
 */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prng } from '../../src/base/prng.js';
import { until } from '../interop/harness/process.js';
import { assertSameLog, bodies, caughtUp, LOG_FILE_BYTES, maxOffset, Replica } from '../interop/harness/replica.js';
import type { BrokerServer } from '../interop/harness/servers.js';
import { frameOf, framesOf } from '../actors/ha/driver.js';
import { hangarServers } from '../support/hangar.js';
import { Link } from '../support/link.js';
import { Code, pullFields, sendFields, withClient } from '../support/remoting-client.js';
import { seedOf } from '../support/seed.js';
import { assertStored, Traffic } from '../support/traffic.js';

const TOPIC = 'broker-a';
const OK = 0;
const SLAVE_NOT_AVAILABLE = 11;
const FLUSH_SLAVE_TIMEOUT = 12;
const SLAVE_TIMEOUT_MS = 700;
const LIMIT_MS = 20_000;
const OFFSET_QUERY = 14;
const OFFSET_UPDATE = 15;

interface Stage {
  readonly master: Replica;
  readonly slave: Replica;
  /** Ended after the test, whatever becomes of it. */
  use<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T>;
}

function onStage(body: (stage: Stage) => Promise<void>): () => Promise<void> {
  return async () => {
    const started: { stop(): Promise<void> }[] = [];
    const use: Stage['use'] = async (starting) => {
      const one = await starting;
      started.push(one);
      return one;
    };
    try {
      const { address } = await use(hangarServers.startNamesrv());
      const [master, slave] = [new Replica(address), new Replica(address)];
      for (const replica of [master, slave]) await use(Promise.resolve(replica));
      await body({ master, slave, use });
    } finally {
      for (const one of started.reverse()) await one.stop();
    }
  };
}

const startMaster = (stage: Stage, more: Readonly<Record<string, string>> = {}): Promise<BrokerServer> =>
  stage.use(stage.master.start(hangarServers, 'SYNC_MASTER', { slaveTimeout: String(SLAVE_TIMEOUT_MS), ...more }));
const startSlave = (stage: Stage, more: Readonly<Record<string, string>> = {}): Promise<BrokerServer> =>
  stage.use(stage.slave.start(hangarServers, 'SLAVE', more));

async function send({ broker }: BrokerServer, properties = '', bodyBytes = 100): Promise<number> {
  const fields = sendFields(TOPIC, 0, properties);
  return await withClient(broker.address, async (client) => {
    return (await client.call(Code.SEND, fields, Buffer.alloc(bodyBytes, 'x'))).code;
  });
}

async function confirms(master: BrokerServer): Promise<void> {
  await until('SEND_OK', LIMIT_MS, async () => ((await send(master)) === OK ? true : undefined));
}

const haAddress = ({ broker: { address } }: BrokerServer): string => {
  const [host, port] = address.split(':');
  return `${host}:${Number(port) + 1}`;
};

const answers = suite('SYNC_MASTER and a slave of another process');

answers(
  'no slave: SLAVE_NOT_AVAILABLE; one that follows: SEND_OK; one that stands still: FLUSH_SLAVE_TIMEOUT',
  onStage(async (stage) => {
    const master = await startMaster(stage, { haSlaveFallbehindMax: '65536' });
    assert.is(await send(master), SLAVE_NOT_AVAILABLE);
    const slave = await startSlave(stage);
    await confirms(master);

    slave.child.signal('SIGSTOP');
    const beganMs = performance.now();
    assert.is(await send(master), FLUSH_SLAVE_TIMEOUT);
    assert.ok(performance.now() - beganMs >= SLAVE_TIMEOUT_MS, 'not before slaveTimeout');
    assert.is(await send(master, 'WAIT\u0001false\u0002'), OK, 'who does not wait is not told');

    // Further behind than haSlaveFallbehindMax it is not waited for.
    await send(master, 'WAIT\u0001false\u0002', 60_000);
    await send(master, 'WAIT\u0001false\u0002', 6_000);
    const refusedMs = performance.now();
    assert.is(await send(master), SLAVE_NOT_AVAILABLE);
    assert.ok(performance.now() - refusedMs < SLAVE_TIMEOUT_MS, 'at once');

    slave.child.signal('SIGCONT');
    await confirms(master);
    await caughtUp(master, slave);
    await slave.kill();
    await until('it is missed', LIMIT_MS, async () =>
      (await send(master)) === SLAVE_NOT_AVAILABLE ? true : undefined,
    );
  }),
);

answers(
  'a stopped slave is let go after haHousekeepingInterval, and comes back by itself',
  onStage(async (stage) => {
    const master = await startMaster(stage, { haHousekeepingInterval: '2500' });
    const slave = await startSlave(stage, { haHousekeepingInterval: '2500' });
    await confirms(master);
    slave.child.signal('SIGSTOP');
    await until('its connection is over', LIMIT_MS, async () =>
      (await send(master)) === SLAVE_NOT_AVAILABLE ? true : undefined,
    );
    slave.child.signal('SIGCONT');
    await confirms(master);
    await caughtUp(master, slave);
  }),
);

answers.run();

const sockets = suite('replication port: who else there is');

sockets(
  'a client of the bare protocol gets the log byte for byte and heartbeats; strangers get nothing, and cost nothing',
  onStage(async (stage) => {
    const master = await startMaster(stage);
    for (let n = 0; n < 30; n++) await send(master, 'WAIT\u0001false\u0002', 20_000);
    const stranger = await rawSocket(haAddress(master));
    stranger.socket.write('GET / HTTP/1.1\r\n\r\n');
    assert.is(await send(master), SLAVE_NOT_AVAILABLE, 'it is no slave');

    const raw = await rawSocket(haAddress(master));
    raw.socket.write(Buffer.alloc(5));
    raw.socket.write(Buffer.alloc(3));
    const end = 30 * 20_000;
    await until('the log and a heartbeat', LIMIT_MS, async () => {
      const frames = framesOf(raw.bytes());
      return (frames.at(-1)?.offset ?? 0) > end && frames.at(-1)!.body.length === 0 ? true : undefined;
    });
    const log = Buffer.concat([...stage.master.log().values()]);
    let next = 0;
    for (const { offset, body } of framesOf(raw.bytes())) {
      assert.is(offset, next);
      next += body.length;
      assert.ok(body.equals(log.subarray(offset, next)), `bytes at ${offset}`);
    }
    assert.is(stranger.bytes().length, 0);
    for (const { socket } of [raw, stranger]) socket.destroy();
  }),
);

sockets(
  'a master that sends nonsense, or nothing: the slave lets go each time, and its log stays empty',
  onStage(async (stage) => {
    const scripts: readonly ((socket: Socket) => void)[] = [
      (socket) => socket.write(frameOf(77, Buffer.from('in the middle of a file'))),
      (socket) => socket.write(frameOf(0, Buffer.alloc(0), LOG_FILE_BYTES + 1)),
      () => undefined,
    ];
    let next = 0;
    const ended: string[] = [];
    const server = createServer((socket) => {
      const script = next++;
      let reported = Buffer.alloc(0);
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        const isFirst = reported.length < 8;
        reported = Buffer.concat([reported, chunk]);
        if (isFirst && reported.length >= 8) scripts[script]?.(socket);
      });
      socket.on('close', () => ended.push(`${script} ${reported.subarray(0, 8).toString('hex')}`));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const closeServer = async (): Promise<void> => void server.close();
    await stage.use(Promise.resolve({ stop: closeServer }));
    await startSlave(stage, { haMasterAddress: `127.0.0.1:${port}`, haHousekeepingInterval: '1500' });
    await until('three connections are over', LIMIT_MS, async () => (ended.length >= 3 ? true : undefined));
    const nothing = '0'.repeat(16);
    assert.equal(ended.slice(0, 3), [`0 ${nothing}`, `1 ${nothing}`, `2 ${nothing}`]);
    assert.is(stage.slave.log().size, 0);
  }),
);

sockets.run();

async function rawSocket(address: string): Promise<{ socket: Socket; bytes(): Buffer }> {
  const [host, port] = address.split(':') as [string, string];
  const socket = connect({ host, port: Number(port) });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => undefined);
  await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
  return { socket, bytes: () => Buffer.concat(chunks) };
}

const faults = suite('replication between processes: faults');

faults(
  'a link that is slow and cut again and again: everything arrives, once',
  onStage(async (stage) => {
    const random = prng(seedOf('cuts'));
    const master = await startMaster(stage);
    const link = await stage.use(Link.open(haAddress(master), 3));
    const slave = await startSlave(stage, { haMasterAddress: link.address });
    const traffic = await Traffic.start(master.broker.address, { topic: TOPIC, queues: 1 });
    for (let cuts = 0; cuts < 8; cuts++) {
      await until('it is connected', LIMIT_MS, async () => (link.connections > 0 ? true : undefined));
      const through = link.bytes + 1 + random.below(200_000);
      await until('more has come through', LIMIT_MS, async () => (link.bytes > through ? true : undefined));
      link.cut();
    }
    link.refuse(true);
    await traffic.end();
    link.refuse(false);
    await caughtUp(master, slave);
    assertSameLog(stage.master, stage.slave);
    assert.ok((traffic.codes.get(OK) ?? 0) > 0, `answers: ${[...traffic.codes]}`);
    await assertStored(slave.broker.address, TOPIC, 1, traffic.acknowledged);
  }),
);

for (const [what, kills] of [
  ['the master', ['master']],
  ['both', ['master', 'slave']],
] as const) {
  faults(
    `${what} killed under traffic: what was confirmed is on both, once, without gaps`,
    onStage(async (stage) => {
      let master = await startMaster(stage);
      let slave = await startSlave(stage);
      await confirms(master);
      const traffic = await Traffic.start(master.broker.address, { topic: TOPIC, queues: 1 });
      await traffic.more(1_500);
      if (kills.includes('master' as never)) await master.kill();
      if (kills.includes('slave' as never)) await slave.kill();
      await traffic.end();
      if (kills.includes('slave' as never)) slave = await startSlave(stage);
      if (kills.includes('master' as never)) master = await startMaster(stage);
      await confirms(master);
      await caughtUp(master, slave);
      assertSameLog(stage.master, stage.slave);
      assert.equal(await bodies(slave.broker.address), await bodies(master.broker.address));
      for (const { broker } of [master, slave]) await assertStored(broker.address, TOPIC, 1, traffic.acknowledged);
    }),
  );
}

faults(
  'without its master a slave answers pulls and takes offsets; what it has of the master is kept',
  onStage(async (stage) => {
    let master = await startMaster(stage);
    const slave = await startSlave(stage);
    await confirms(master);
    for (let n = 0; n < 20; n++) assert.is(await send(master), OK);
    await caughtUp(master, slave);
    const last = Number(await maxOffset(master.broker.address));
    await master.kill();

    await withClient(slave.broker.address, async (client) => {
      const pulled = await client.call(Code.PULL, pullFields(TOPIC, 0, 0));
      assert.is(pulled.code, OK);
      assert.is(pulled.fields.suggestWhichBrokerId, '0', 'slaveReadEnable=false: as in Apache');
      const offset = { consumerGroup: 'readers', topic: TOPIC, queueId: 0, commitOffset: last };
      assert.is((await client.call(OFFSET_UPDATE, offset)).code, OK);
      assert.is((await client.call(OFFSET_QUERY, offset)).fields.offset, String(last));
    });
    master = await startMaster(stage);
    await confirms(master);
    // The group is one that the master does not know, so that its table leaves it alone.
    await until('a round of copying tables', LIMIT_MS, async () => {
      const { offsetTable } = stage.slave.table('consumerOffset.json') as { offsetTable: Record<string, unknown> };
      return `${TOPIC}@readers` in offsetTable ? true : undefined;
    });
    await withClient(slave.broker.address, async (client) => {
      const offset = { consumerGroup: 'readers', topic: TOPIC, queueId: 0 };
      assert.is((await client.call(OFFSET_QUERY, offset)).fields.offset, String(last));
    });
    await caughtUp(master, slave);
  }),
);

faults.run();
