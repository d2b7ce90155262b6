/** Reading from a slave of another process: without a master, and when that suggests it. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../interop/harness/process.js';
import { caughtUp, maxOffset } from '../interop/harness/replica.js';
import { Code, pullFields, withClient } from '../support/remoting-client.js';
import { confirms, LIMIT_MS, OK, onStage, send, startMaster, startSlave, TOPIC } from '../support/replica-stage.js';

const OFFSET_QUERY = 14;
const OFFSET_UPDATE = 15;

const reading = suite('reading from a slave of another process');

reading(
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

reading.run();
