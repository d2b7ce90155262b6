/**
 * A master and a slave of ours in processes of their own: what SYNC_MASTER answers when the slave is away, stands still or
 * is far behind.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../interop/harness/process.js';
import { caughtUp } from '../interop/harness/replica.js';
import {
  confirms,
  goOn,
  FLUSH_SLAVE_TIMEOUT,
  LIMIT_MS,
  OK,
  onStage,
  SLAVE_NOT_AVAILABLE,
  SLAVE_TIMEOUT_MS,
  send,
  startMaster,
  standStill,
  startSlave,
} from '../support/replica-stage.js';

const answers = suite('SYNC_MASTER and a slave of another process');

answers(
  'no slave: SLAVE_NOT_AVAILABLE; one that follows: SEND_OK; one that stands still: FLUSH_SLAVE_TIMEOUT',
  onStage(async (stage) => {
    const master = await startMaster(stage, { haSlaveFallbehindMax: '65536' });
    assert.is(await send(master), SLAVE_NOT_AVAILABLE);
    const slave = await startSlave(stage);
    await confirms(master);

    await standStill(slave);
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

    goOn(slave);
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
    await standStill(slave);
    await until('its connection is over', LIMIT_MS, async () =>
      (await send(master)) === SLAVE_NOT_AVAILABLE ? true : undefined,
    );
    goOn(slave);
    await confirms(master);
    await caughtUp(master, slave);
  }),
);

answers.run();
