/**
 * Peers that lie, by seed. A master that sends frames of its log and, in between, what no master sends: the slave appends
 * its master's bytes, each once and in order, and nothing behind a lie. Slaves that report whatever they like: the master
 * sends each its log from where it began, and confirms nothing that is not in it.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Prng, prng } from '../../../src/base/prng.js';
import { haMessages } from '../../../src/actors/ha/messages.js';
import { withSeeds } from '../../support/seed.js';
import { FILE_BYTES, frameOf, framesOf, HaDriver, int64, logBytes } from './driver.js';

const SEEDS = 40;
const STEPS = 150;
const FILES = 4;

const masters = suite('HA slave: a master that lies');

/** A frame that no honest master sends to a slave whose log ends at `end`. */
function lie(random: Prng, end: number): Buffer {
  const body = logBytes(end, end + 1 + random.below(50));
  const elsewhere = end + (1 + random.below(3)) * random.pick([-1, 1, FILE_BYTES]);
  const toEndOfFile = FILE_BYTES - (end % FILE_BYTES);
  return random.pick([
    () => frameOf(elsewhere, body),
    () => frameOf(elsewhere, Buffer.alloc(0)),
    () => frameOf(-1 - random.below(1_000), body),
    () => frameOf(2n ** 63n - 1n, body),
    () => frameOf(end, body, -1 - random.below(2 ** 30)),
    () => frameOf(end, body, toEndOfFile + 1 + random.below(2 ** 30)),
    () => Buffer.from(Array.from({ length: 12 + random.below(100) }, () => 1 + random.below(255))),
  ])();
}

/** One slave, its connection, and how far its log goes. */
class Follower {
  readonly ha = new HaDriver(['brokerRole=SLAVE', 'brokerId=1']);
  private link = 10;

  constructor(
    private readonly random: Prng,
    public end: number,
  ) {
    this.ha.brokerSays(haMessages.appended, { end });
    this.ha.brokerSays(haMessages.masterAddress, {}, Buffer.from('10.0.0.1:10912'));
    this.connected();
  }

  private connected(): void {
    const { ha, link } = this;
    const [dial] = ha.takeDials();
    ha.frontSays(haMessages.dialed, { token: dial!.token, connection: link, peerActor: -1, peerConnection: 0 });
    ha.brokerSays(haMessages.masterChecked, { connection: link }, Buffer.alloc(0));
    assert.ok(ha.takeWritten(link).equals(int64(this.end)), 'it asks for what comes next');
  }

  /** Bytes from the master, cut anywhere. */
  hears(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const piece = 1 + this.random.below(this.random.pick([3, 20, bytes.length]));
      this.ha.bytes(this.link, bytes.subarray(at, at + piece));
      at += piece;
    }
    for (const { fields, bytes: appended } of this.ha.takeTold('append')) {
      assert.is(fields.offset, this.end);
      assert.ok(appended.equals(logBytes(this.end, this.end + appended.length)), `bytes at ${this.end}`);
      this.end += appended.length;
    }
    if (this.random.chance(0.5)) this.ha.brokerSays(haMessages.appended, { end: this.end });
  }

  reconnect(): void {
    this.ha.brokerSays(haMessages.appended, { end: this.end });
    this.ha.closed(this.link);
    this.link++;
    this.ha.advance(5_000);
    this.connected();
  }

  get closes(): number {
    return this.ha.takeCloses(this.link);
  }
}

masters('nothing behind a lie is appended, everything else once', () =>
  withSeeds('lying masters', SEEDS, async (seed) => {
    const random = prng(seed);
    const one = new Follower(random, 1 + random.below(2 * FILE_BYTES));
    for (let step = 0; step < STEPS && one.end < FILES * FILE_BYTES; step++) {
      const { end } = one;
      const most = Math.min(FILE_BYTES - (end % FILE_BYTES), 200);
      const truth = frameOf(end, logBytes(end, end + random.below(most + 1)));
      if (random.chance(0.8)) {
        one.hears(truth);
        assert.is(one.end, end + truth.length - 12);
        assert.is(one.closes, 0);
      } else if (random.chance(0.3)) {
        one.hears(truth.subarray(0, random.below(truth.length)));
        one.reconnect();
      } else {
        one.hears(Buffer.concat([lie(random, end), truth]));
        one.hears(truth);
        assert.is(one.end, end);
        assert.is(one.closes, 1, 'let go of, once');
        one.reconnect();
      }
    }
  }),
);

masters.run();

const slaves = suite('HA master: slaves that lie');

/** A connection, as the test knows it to be. */
interface Liar {
  readonly connection: number;
  /** -1 until it has said where it begins. */
  begun: number;
  sent: number;
}

interface Scene {
  readonly ha: HaDriver;
  readonly random: Prng;
  readonly open: Map<number, Liar>;
  min: number;
  end: number;
}

function report({ ha, random, open, min, end }: Scene, liar: Liar): void {
  const near = random.pick([min, end, Math.max(0, liar.sent)]) + random.below(5) - 2;
  const value = random.pick([near, random.below(end + 50), 0, -1, 2 ** 52, -(2 ** 40)]);
  const bytes = random.chance(0.1) ? Buffer.from(`${'x'.repeat(8 + random.below(30) * 8)}`) : int64(value);
  const half = random.below(bytes.length);
  ha.bytes(liar.connection, bytes.subarray(0, half));
  ha.bytes(liar.connection, bytes.subarray(half));
  if (ha.takeCloses(liar.connection) === 0) return;
  open.delete(liar.connection);
  ha.takeWritten(liar.connection);
  ha.bytes(liar.connection, int64(end));
  ha.closed(liar.connection);
}

/** Everything that was sent is the log, from where that slave began. */
function look(scene: Scene): void {
  const { ha, open, end } = scene;
  for (const liar of open.values()) {
    for (const { offset, body } of framesOf(ha.takeWritten(liar.connection))) {
      if (liar.begun < 0) [liar.begun, liar.sent] = [offset, offset];
      assert.is(offset, liar.sent, `connection ${liar.connection}`);
      assert.ok(body.equals(logBytes(offset, offset + body.length)), `bytes at ${offset}`);
      liar.sent += body.length;
    }
    assert.ok(liar.sent <= end, 'nothing that is not there');
  }
}

slaves('each gets the log from where it began; what is confirmed is in the log, and never goes back', () =>
  withSeeds('lying slaves', SEEDS, async (seed) => {
    const random = prng(seed);
    const ha = new HaDriver();
    const scene: Scene = { ha, random, open: new Map(), min: 0, end: 500 };
    let [confirmed, connections, followers] = [0, 0, 0];
    ha.log(0, scene.end);
    for (let step = 0; step < STEPS; step++) {
      if (scene.open.size < 5 && random.chance(0.3)) {
        const connection = 100 + connections++;
        const remoteAddress = `10.0.0.${random.below(3)}`;
        ha.frontSays(haMessages.opened, { connection, value: { remoteAddress, remotePort: connection } });
        scene.open.set(connection, { connection, begun: -1, sent: -1 });
      }
      if (random.chance(0.3)) {
        scene.end += random.below(300);
        if (random.chance(0.1)) scene.min = scene.end - (scene.end % FILE_BYTES);
        ha.log(scene.min, scene.end);
      }
      if (scene.open.size > 0) report(scene, random.pick([...scene.open.values()]));
      // Time for a heartbeat now and then: it shows who follows.
      ha.advance(random.below(2_000));
      for (const connection of [...scene.open.keys()]) {
        if (ha.takeCloses(connection) > 0) {
          scene.open.delete(connection);
          ha.takeWritten(connection);
          ha.closed(connection);
        }
      }
      look(scene);
      const heard = ha.takeTold('replicated').at(-1)?.fields as { offset: number; slaves: number } | undefined;
      if (heard !== undefined) {
        assert.ok(heard.offset >= confirmed, 'it never goes back');
        assert.ok(heard.offset <= scene.end, 'nor beyond the end');
        confirmed = heard.offset;
        followers = heard.slaves;
      }
      assert.ok(followers <= scene.open.size, 'who is gone does not count');
    }
  }),
);

slaves.run();
