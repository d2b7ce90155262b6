/**
 * What goes over a replication connection between our brokers and Apache's, as a proxy in between sees it: sizes of batches,
 * heartbeats of both sides, and who lets go of a connection that is lost without a word.
 */
import * as assert from 'uvu/assert';
import { framesOf } from '../actors/ha/driver.js';
import { apacheServers } from '../support/apache.js';
import { hangarServers } from '../support/hangar.js';
import { Link } from '../support/link.js';
import { Code, sendFields, withClient } from '../support/remoting-client.js';
import { serverSuite, type Use } from './harness/interop-suite.js';
import { until } from './harness/process.js';
import { BROKER, caughtUp, LOG_FILE_BYTES, Replica } from './harness/replica.js';
import type { BrokerServer, Servers } from './harness/servers.js';

const BATCH_BYTES = 8_192;
const HEARTBEAT_MS = 1_000;
const HOUSEKEEPING_MS = 4_000;
/** Apache looks once a second whether it is time, ours twice; the rest is for a busy machine. */
const LATE_MS = 2_500;
const LIMIT_MS = 60_000;
const UPDATE_CONFIG = 25;
const SLAVE_NOT_AVAILABLE = 11;
const REPORT_BYTES = 8;
const PROPERTIES = {
  haTransferBatchSize: String(BATCH_BYTES),
  haSendHeartbeatInterval: String(HEARTBEAT_MS),
  haHousekeepingInterval: String(HOUSEKEEPING_MS),
};

interface Scene {
  readonly master: BrokerServer;
  readonly slave: BrokerServer;
  readonly link: Link;
}

async function startPair(use: Use, masters: Servers, slaves: Servers): Promise<Scene> {
  const { address: namesrv } = await use(hangarServers.startNamesrv());
  const replicas = [new Replica(namesrv, PROPERTIES), new Replica(namesrv, PROPERTIES)] as const;
  for (const replica of replicas) await use(Promise.resolve(replica));
  const master = await use(replicas[0].start(masters, 'SYNC_MASTER'));
  const [host, port] = master.broker.address.split(':');
  const link = await use(Link.open(`${host}:${Number(port) + 1}`));
  const slave = await use(replicas[1].start(slaves, 'SLAVE', { haMasterAddress: link.address }));
  return { master, slave, link };
}

/** Sends several log files full, answered at once. */
async function fill({ broker }: BrokerServer): Promise<void> {
  await withClient(broker.address, async (client) => {
    const fields = sendFields(BROKER, 0, 'WAIT\u0001false\u0002');
    for (let n = 0; n < 150; n++) assert.is((await client.call(Code.SEND, fields, Buffer.alloc(4_000, 'x'))).code, 0);
  });
}

const sendCode = async ({ broker }: BrokerServer): Promise<number> =>
  await withClient(broker.address, async (client) => (await client.call(Code.SEND, sendFields(BROKER, 0))).code);

/** What has gone through one connection, until it is asked for again. */
class Tape {
  private master: Buffer[] = [];
  private reports: number[] = [];
  private silences: number[] = [];
  private heardMs = performance.now();

  constructor(link: Link) {
    link.tap = (from, chunk) => {
      const now = performance.now();
      if (from === 'client') {
        for (let at = 0; at + REPORT_BYTES <= chunk.length; at += REPORT_BYTES)
          this.reports.push(Number(chunk.readBigInt64BE(at)));
        return;
      }
      this.master.push(chunk);
      this.silences.push(now - this.heardMs);
      this.heardMs = now;
    };
  }

  take(): { bodies: number[]; offsets: number[]; reports: number[]; silences: number[] } {
    const frames = framesOf(Buffer.concat(this.master));
    const { reports, silences } = this;
    this.master = [];
    this.reports = [];
    this.silences = [];
    return {
      bodies: frames.map(({ body }) => body.length),
      offsets: frames.map(({ offset }) => offset),
      reports,
      silences,
    };
  }
}

async function showsItsSettings(use: Use, masters: Servers, slaves: Servers): Promise<void> {
  const scene = await startPair(use, masters, slaves);
  const { master, slave, link } = scene;
  await until('SEND_OK', LIMIT_MS, async () => ((await sendCode(master)) === 0 ? true : undefined));

  link.refuse(true);
  await fill(master);
  const tape = new Tape(link);
  link.refuse(false);
  await caughtUp(master, slave);
  const { bodies, offsets, reports } = tape.take();
  assert.is(Math.max(...bodies), BATCH_BYTES, 'batches are full');
  for (const [index, offset] of offsets.entries()) {
    const end = offset + bodies[index]!;
    if (index > 0) assert.is(offset, offsets[index - 1]! + bodies[index - 1]!, 'one frame begins where the other ends');
    assert.ok(Math.floor(offset / LOG_FILE_BYTES) === Math.floor((end - 1) / LOG_FILE_BYTES), `${offset} to ${end}`);
  }
  assert.equal(
    reports,
    reports.toSorted((a, b) => a - b),
    'acknowledgements go up',
  );

  // Nobody sends: both are heard about as often as haSendHeartbeatInterval says.
  let [beats, told] = [0, 0];
  const quiet: number[] = [];
  await until('heartbeats of both', LIMIT_MS, async () => {
    const heard = tape.take();
    beats += heard.bodies.filter((bytes) => bytes === 0).length;
    told += heard.reports.length;
    quiet.push(...heard.silences);
    return beats >= 3 && told >= 3 ? true : undefined;
  });
  for (const ms of quiet.slice(1)) assert.ok(ms >= HEARTBEAT_MS * 0.9 && ms <= HEARTBEAT_MS + LATE_MS, `${ms} ms`);
}

const mixed = await serverSuite('replication on the wire', await apacheServers.missing());

for (const [masters, slaves] of [
  [hangarServers, apacheServers],
  [apacheServers, hangarServers],
] as const) {
  mixed.test(`${masters.maker} to ${slaves.maker}: batches and heartbeats as configured`, (use) =>
    showsItsSettings(use, masters, slaves),
  );
}

mixed.test(
  "our master lets Apache's slave go when the connection is lost, and takes larger batches from then on",
  async (use) => {
    const { master, slave, link } = await startPair(use, hangarServers, apacheServers);
    await until('SEND_OK', LIMIT_MS, async () => ((await sendCode(master)) === 0 ? true : undefined));
    link.lose();
    const lostMs = performance.now();
    await until('SLAVE_NOT_AVAILABLE', LIMIT_MS, async () =>
      (await sendCode(master)) === SLAVE_NOT_AVAILABLE ? true : undefined,
    );
    assert.ok(performance.now() - lostMs >= HOUSEKEEPING_MS - HEARTBEAT_MS - LATE_MS, 'not before its time');
    await withClient(master.broker.address, async (client) => {
      const line = Buffer.from(`haTransferBatchSize=${2 * BATCH_BYTES}`);
      assert.is((await client.call(UPDATE_CONFIG, {}, line)).code, 0);
    });
    await fill(master);
    const tape = new Tape(link);
    // Apache's slave listens to a lost connection for ever.
    link.cut();
    await caughtUp(master, slave);
    assert.is(Math.max(...tape.take().bodies), 2 * BATCH_BYTES);
  },
);

mixed.test("our slave lets Apache's master go when the connection is lost, and follows on a new one", async (use) => {
  const { master, slave, link } = await startPair(use, apacheServers, hangarServers);
  await until('SEND_OK', LIMIT_MS, async () => ((await sendCode(master)) === 0 ? true : undefined));
  link.lose();
  await fill(master);
  await caughtUp(master, slave);
  assert.is(link.connections, 1);
});

mixed.run();
