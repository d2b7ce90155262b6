/** Bounds of what a broker keeps for others, on the broker actor alone. One test a row of docs/architecture.md. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { brokerMessages } from '../../src/actors/broker/messages.js';
import { Remote, RemoteFailure } from '../../src/actors/broker/peers/remote.js';
import { MIB } from '../../src/base/units.js';
import { RequestCode } from '../../src/remoting/request-codes.js';
import type { Context } from '../../src/runtime/actor.js';
import { SlabReader } from '../../src/runtime/slab.js';
import { BrokerDriver } from '../actors/broker/driver.js';

const SYSTEM_ERROR = 1;
const SYSTEM_BUSY = 2;

const bounds = suite('bounds: broker');

const send = { a: 'P', b: 'broker-a', c: 'TBW102', d: '4', e: '0', f: '0', g: '1', h: '0', i: '' };

bounds('answers waiting for flush or slave: beyond 65,536 sends are answered SYSTEM_BUSY', () => {
  const broker = new BrokerDriver({ settings: 'brokerRole=SYNC_MASTER\n' }).start();
  // A slave that has nothing yet, and stays that way.
  broker.tell(brokerMessages.replicated, { offset: 0, slaves: 1 });
  const client = broker.open();
  for (let n = 0; n < 65_536; n++) {
    broker.postRequest(client, RequestCode.SEND_MESSAGE_V2, send, { body: 'x' });
    if (n % 4_096 === 4_095) broker.settle();
  }
  assert.equal(broker.take(client), [], 'all of them wait');
  const { command } = broker.ask(client, RequestCode.SEND_MESSAGE_V2, send, { body: 'x' });
  assert.is(command.code, SYSTEM_BUSY);
  assert.match(command.remark!, /too many sends wait for their flush or slave/);
  const refused = new SlabReader(broker.slab).read().find(({ name }) => name === 'hangar_busy_refusals_total');
  assert.equal([refused?.labels.reason, refused?.value], ['waiting_answers_full', 1]);
  // The slave has it all: everybody is answered, and there is room again.
  broker.tell(brokerMessages.replicated, { offset: Number.MAX_SAFE_INTEGER, slaves: 1 });
  const answers = broker.front.splice(0).filter(({ kind }) => kind === 'write');
  assert.is(answers.length, 65_536);
  assert.ok(answers.every(({ bytes }) => bytes.includes('"code":0,')));
  assert.is(broker.ask(client, RequestCode.SEND_MESSAGE_V2, send, { body: 'x' }).command.code, 0);
});

bounds('body of an answer: what does not fit into a frame is refused with a remark', () => {
  const broker = new BrokerDriver().start();
  const group = 'g'.repeat(200);
  for (let n = 0; n < 100_000; n++) broker.state.offsets.commit(`${group}${n}`, 'T', 0, 1);
  const client = broker.open();
  const { command } = broker.ask(client, RequestCode.GET_ALL_CONSUMER_OFFSET);
  assert.is(command.code, SYSTEM_ERROR);
  assert.match(command.remark!, /^the answer has \d+ bytes, a frame takes 16711680$/);
});

/** A context whose sends are counted and go nowhere. */
function deafContext(): Context {
  const buffer = Buffer.alloc(4_096);
  const context = {
    send: () => undefined,
    begin: () => ({ buffer, view: new DataView(buffer.buffer), at: 0 }),
    end: () => undefined,
    after: () => ({ cancel: () => undefined }),
  };
  return context as unknown as Context;
}

bounds('calls to other servers: 64 wait for an address, 16,384 for their answers, one more fails', () => {
  const remote = new Remote(deafContext(), 0);
  const failures: string[] = [];
  const done = (outcome: unknown): void => {
    if (outcome instanceof RemoteFailure) failures.push(outcome.reason);
  };
  const call = (address: string) => remote.call(address, { code: 1 }, Buffer.alloc(0), 1_000, done);
  for (let n = 0; n < 64; n++) call('127.0.0.1:1');
  assert.equal(failures, []);
  call('127.0.0.1:1');
  assert.equal(failures, ['too many calls wait for 127.0.0.1:1']);
  for (let n = 0; n < 16_384; n++) remote.callConnection(7, { code: 1 }, Buffer.alloc(0), 1_000, done);
  assert.is(failures.length, 1);
  remote.callConnection(7, { code: 1 }, Buffer.alloc(0), 1_000, done);
  assert.equal(failures.slice(1), ['too many calls wait for their answer']);
  // Those who waited are told when there is nobody, and there is room again.
  remote.dialFailed(1, 'refused');
  assert.is(failures.length, 2 + 64);
  remote.closed(7);
  assert.is(failures.length, 2 + 64 + 16_384);
});

bounds('heartbeats of connected clients: beyond 128 MiB one is refused, until others leave', () => {
  const broker = new BrokerDriver().start();
  const heartbeat = (clientId: string): string =>
    JSON.stringify({ clientID: clientId, consumerDataSet: [], producerDataSet: [], padding: 'x'.repeat(15 * MIB) });
  const clients = Array.from({ length: 8 }, () => broker.open());
  for (const client of clients) {
    // A repeated one takes the place of the one before.
    for (let again = client === clients[0] ? 0 : 1; again < 2; again++) {
      assert.is(broker.ask(client, RequestCode.HEART_BEAT, {}, { body: heartbeat(`c${client}`) }).command.code, 0);
    }
  }
  const late = broker.open();
  const { command } = broker.ask(late, RequestCode.HEART_BEAT, {}, { body: heartbeat('late') });
  assert.is(command.code, SYSTEM_ERROR);
  assert.match(command.remark!, /the heartbeats of all clients have 134217728 bytes.* use fewer groups/);
  broker.close(clients[0]!);
  assert.is(broker.ask(late, RequestCode.HEART_BEAT, {}, { body: heartbeat('late') }).command.code, 0);
});

bounds.run();
