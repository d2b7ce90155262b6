/** A slow disk, on the broker actor alone. Backlogs are in test/sim/flow-control.test.ts. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RequestCode } from '../../../src/remoting/request-codes.js';
import { ResponseCode } from '../../../src/remoting/response-codes.js';
import { SlabReader } from '../../../src/runtime/slab.js';
import { sendFields } from '../../support/remoting-client.js';
import { BrokerDriver } from './driver.js';

const flow = suite('broker: flow control');

const fields = Object.fromEntries(Object.entries(sendFields('TBW102', 0)).map(([key, value]) => [key, String(value)]));

function refusals(broker: BrokerDriver): Record<string, number> {
  const series = new SlabReader(broker.slab).read().filter(({ name }) => name === 'hangar_busy_refusals_total');
  return Object.fromEntries(series.map(({ labels, value }) => [labels.reason!, value]));
}

/** Sends a message whose write takes 1,200 ms; a second send comes in the middle of it. Returns both answers' codes. */
function slowWrite(broker: BrokerDriver): { code: number; remark: string | undefined }[] {
  const { files } = broker.state.log;
  const write = files.write.bind(files);
  const client = broker.open();
  files.write = (...args) => {
    files.write = write;
    broker.jump(600);
    broker.postRequest(client, RequestCode.SEND_MESSAGE_V2, fields, { body: 'meanwhile' });
    broker.jump(600);
    write(...args);
  };
  broker.send(client, RequestCode.SEND_MESSAGE_V2, fields, { body: 'slow' });
  return broker.take(client).map(({ command: { code, remark } }) => ({ code, remark }));
}

flow('sends that came during a slow file write are refused as Apache does, and counted', () => {
  const broker = new BrokerDriver().start();
  const [slow, meanwhile] = slowWrite(broker);
  assert.is(slow!.code, ResponseCode.SUCCESS);
  assert.is(meanwhile!.code, ResponseCode.SYSTEM_BUSY);
  assert.match(
    meanwhile!.remark!,
    /^\[PCBUSY_CLEAN_QUEUE\]broker busy, start flow control for a while, period in queue: \d+ms, size of queue: 0$/,
  );
  assert.equal(refusals(broker), { disk_busy: 1 });
  const { command } = broker.ask(broker.open(), RequestCode.SEND_MESSAGE_V2, fields, { body: 'after' });
  assert.is(command.code, ResponseCode.SUCCESS);
  assert.is(command.ext.get('queueOffset'), '1', 'what was refused is not stored');
});

flow('brokerFastFailureEnable and osPageCacheBusyTimeOutMills switch that off, while the broker runs', () => {
  for (const setting of ['brokerFastFailureEnable=false', 'osPageCacheBusyTimeOutMills=1300']) {
    const broker = new BrokerDriver().start();
    const update = broker.ask(broker.open(), RequestCode.UPDATE_BROKER_CONFIG, {}, { body: `${setting}\n` });
    assert.is(update.command.code, ResponseCode.SUCCESS);
    assert.equal(
      slowWrite(broker).map(({ code }) => code),
      [ResponseCode.SUCCESS, ResponseCode.SUCCESS],
      setting,
    );
  }
});

flow.run();
