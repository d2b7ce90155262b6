/** Who speaks the replication protocol besides brokers: a bare client, strangers, masters that lie. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { frameOf, framesOf, int64 } from '../actors/ha/driver.js';
import { until } from '../interop/harness/process.js';
import { caughtUp, LOG_FILE_BYTES } from '../interop/harness/replica.js';
import {
  confirms,
  FLUSH_SLAVE_TIMEOUT,
  haAddress,
  LIMIT_MS,
  OK,
  onStage,
  rawSocket,
  SLAVE_NOT_AVAILABLE,
  send,
  standStill,
  startMaster,
  startSlave,
} from '../support/replica-stage.js';

/** Many of them are more than what is sent ahead of a slave's acknowledgements. */
const BODY_BYTES = 60_000;

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

sockets(
  'slaves that lie, do not read or say nothing, beside an honest one: it goes on, and they are let go',
  onStage(async (stage) => {
    const master = await startMaster(stage, { haHousekeepingInterval: '3000' });
    const slave = await startSlave(stage, { haHousekeepingInterval: '3000', haSendHeartbeatInterval: '500' });
    await confirms(master);
    const address = haAddress(master);
    const silent = await Promise.all(Array.from({ length: 200 }, () => rawSocket(address)));
    const [liar, backward, deaf] = [await rawSocket(address), await rawSocket(address), await rawSocket(address)];
    liar.socket.write(Buffer.concat([int64(0), int64(2 ** 40)]));
    deaf.socket.pause();
    deaf.socket.write(int64(0));
    backward.socket.write(int64(0));
    await until('the log', LIMIT_MS, async () => (backward.bytes().length > 0 ? true : undefined));
    backward.socket.write(int64(1));
    backward.socket.write(int64(0));
    for (let n = 0; n < 300; n++) await send(master, 'WAIT\u0001false\u0002', BODY_BYTES);
    await caughtUp(master, slave);
    assert.is(await send(master), OK);
    // The end comes behind what was sent to it.
    deaf.socket.resume();
    const all = [liar, backward, deaf, ...silent];
    await until('all of them are let go', LIMIT_MS, async () =>
      all.every(({ isOver }) => isOver()) ? true : undefined,
    );
    assert.is(await send(master), OK, 'the honest one is still there');
    await standStill(slave);
    assert.is(await send(master), FLUSH_SLAVE_TIMEOUT, 'what they said is forgotten');
  }),
);

sockets.run();
