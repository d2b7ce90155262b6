/**
 * Strategy: a broker with its queue hosts gets every request that there is, in both serializations, with fields that are
 * right, nearly right, absurd or missing, and bodies that are right, garbage or full of records; clients answer what they
 * are asked with anything; connections close, time passes, and the disk refuses now and then.
 *
 * Invariants: nothing throws; a request is answered at most once; a new client is answered at the end.
 *
 * FUZZ_SECONDS sets how long (default 3), SEED replays a run: it is printed first.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Prng, prng } from '../../src/base/prng.js';
import { formatMessageId } from '../../src/message/message-id.js';
import { encodeFrame, Flag } from '../../src/remoting/command.js';
import { RequestCode } from '../../src/remoting/request-codes.js';
import { requests } from '../../src/remoting/requests.js';
import { BrokerDriver } from '../actors/broker/driver.js';
import { javaHeartbeat } from '../actors/broker/heartbeats.js';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000_000);
const FUZZ_MS = Number(process.env.FUZZ_SECONDS ?? 3) * 1000;
const STEPS = 150;

const SPECS = Object.values(requests);
const NUMBERS = ['0', '1', '-1', '3', '18', '65535', '65536', '2147483647', '-2147483648', '9007199254740991'];
const ABSURD = ['', 'x', '9223372036854775807', '-9223372036854775808', '1e3', '0x10', '\u0000', 'é', '1'.repeat(400)];
const NAMES = ['T', 'G', 'P', 'one', 'TBW102', '%RETRY%G', '%DLQ%G', '%RETRY%', 'SCHEDULE_TOPIC_XXXX', '../x', '*'];
const HALF_NAMES = ['RMQ_SYS_TRANS_HALF_TOPIC', 'RMQ_SYS_TRANS_OP_HALF_TOPIC', 'TRANS_CHECK_MAX_TIME_TOPIC'];
const PROPERTIES = ['DELAY', 'TRAN_MSG', 'REAL_TOPIC', 'REAL_QID', 'PGROUP', 'KEYS', 'TAGS', 'REPLY_TO_CLIENT', 'WAIT'];

class Client {
  /** The beginning of the log. */
  records = Buffer.alloc(0);

  constructor(
    private readonly broker: BrokerDriver,
    private readonly random: Prng,
  ) {}

  private value(name: string): string {
    const { random, broker } = this;
    if (/properties|^i$/.test(name)) return this.properties();
    switch (random.below(12)) {
      case 0:
        return random.pick(ABSURD);
      case 1:
      case 2:
        return String(random.below(broker.state.log.endOffset + 100));
      case 3:
        return String(broker.nowMs - random.below(100_000));
      case 4:
        return formatMessageId({ storeHost: new Uint8Array(8), commitLogOffset: random.below(5_000) });
      case 5:
        return random.pick(HALF_NAMES);
      case 6:
        return random.pick(['true', 'false', 'SQL92', 'TAG', 'a > 1 AND b IN (', "a = 'x'"]);
      default:
        return /topic|group|client|^[abc]$/i.test(name) ? random.pick(NAMES) : random.pick(NUMBERS);
    }
  }

  private properties(): string {
    const { random } = this;
    const items = Array.from({ length: random.below(6) }, () => {
      const value = random.pick([...NUMBERS, ...NAMES, ...HALF_NAMES, 'true', 'false', 'x'.repeat(random.below(400))]);
      return `${random.pick(PROPERTIES)}${random.pick(['\u0001', '\u0001', '\u0002', ''])}${value}`;
    });
    return items.join('\u0002');
  }

  private body(): Buffer {
    const { random } = this;
    switch (random.below(6)) {
      case 0:
        return Buffer.from(javaHeartbeat({ clientId: random.pick(['one', 'p']), consumers: ['G'], producers: ['P'] }));
      case 1:
        return Buffer.from(Array.from({ length: random.below(300) }, () => random.below(256)));
      case 2:
        return Buffer.from(
          random.pick(['{}', '[]', '{"groupName":"G","retryQueueNums":-3}', 'a=b\nmaxMessageSize=-1', 'null']),
        );
      case 3:
        return this.records;
      default:
        return Buffer.alloc(random.below(2_000), 0x78);
    }
  }

  request(connection: number): void {
    const { random, broker } = this;
    const { code, header } = random.pick(SPECS);
    const ext: Record<string, string> = {};
    for (const field of Object.values(header)) {
      if (random.below(12) > 0) ext[field.wire] = this.value(field.wire);
    }
    const body = this.body();
    // A stop asked for by a client is a stop.
    const flag = random.below(20) === 0 ? Flag.ONE_WAY : Flag.REQUEST;
    const parts = { serialization: random.below(2) as 0 | 1, version: random.pick([0, 100, 121, 407]), flag };
    broker.postRequest(connection, code, ext, { ...parts, body });
    if (code === RequestCode.PULL_MESSAGE && ext.topic !== undefined) broker.postPull(connection, ext);
  }

  /** Takes what came; answers questions with anything, or not at all. */
  read(connection: number): void {
    const { random, broker } = this;
    const answered = new Set<number>();
    for (const { command } of broker.take(connection)) {
      if ((command.flag & Flag.RESPONSE) !== 0) {
        assert.ok(!answered.has(command.opaque), 'answered once');
        answered.add(command.opaque);
      } else if ((command.flag & Flag.ONE_WAY) === 0 && random.below(3) > 0) {
        const code = random.pick([0, 1, 17, 100_000, -1]);
        const ext = { [random.pick(NAMES)]: this.value('x') };
        broker.post(connection, encodeFrame({ code, opaque: command.opaque, flag: Flag.RESPONSE, ext }, this.body()));
      }
    }
  }
}

function run(seed: number): void {
  const random = prng(seed);
  const broker = new BrokerDriver({
    hasQueueHosts: true,
    settings:
      'mappedFileSizeCommitLog=131072\nmappedFileSizeConsumeQueue=400\nmaxMessageSize=60000\nmessageIndexEnable=true\nmaxHashSlotNum=16\nmaxIndexNum=64',
  }).start();
  const client = new Client(broker, random);
  let connections = [broker.open(), broker.open(), broker.open()];
  for (const connection of connections) {
    const heartbeat = javaHeartbeat({ clientId: 'one', consumers: ['G'], producers: ['P'] });
    broker.send(connection, RequestCode.HEART_BEAT, {}, { version: 407, body: heartbeat });
  }
  const i = 'TRAN_MSG\u0001true\u0002PGROUP\u0001P';
  const half = { a: 'P', b: 'T', c: 'TBW102', d: '4', e: '0', f: '0', g: `${broker.nowMs}`, h: '0', i };
  for (let n = 0; n < 3; n++) broker.send(connections[0]!, RequestCode.SEND_MESSAGE_V2, half, { body: 'half' });
  client.records = Buffer.from(broker.disk.readFile('/store/commitlog/00000000000000000000')!.subarray(0, 2_000));
  for (let step = 0; step < STEPS; step++) {
    for (let n = random.below(6); n >= 0; n--) client.request(random.pick(connections));
    broker.settle();
    for (const connection of connections) client.read(connection);
    switch (random.below(12)) {
      case 0:
        broker.advance(random.pick([10, 1_000, 60_000]));
        break;
      case 1: {
        const closed = random.pick(connections);
        broker.close(closed);
        connections = [...connections.filter((one) => one !== closed), broker.open()];
        break;
      }
      case 2: {
        const operation = random.pick(['read', 'create', 'write'] as const);
        const pathPart = random.pick(['/commitlog/', '/consumequeue/', '/index/', '/config/']);
        broker.disk.inject({
          operation,
          pathPart,
          code: random.pick(['EIO', 'ENOSPC', 'EMFILE']),
          times: 1 + random.below(3),
        });
        break;
      }
    }
  }
  broker.disk.clearFaults();
  broker.advance(200_000);
  const last = broker.ask(broker.open(), RequestCode.GET_MAX_OFFSET, { topic: 'T', queueId: '0' });
  assert.is(last.command.code, 0);
}

const fuzz = suite('fuzz: requests of strangers');

fuzz('nothing throws', () => {
  console.log(`SEED=${SEED} (requests of strangers)`);
  const end = performance.now() + FUZZ_MS;
  let seed = SEED;
  for (; performance.now() < end; seed++) {
    try {
      run(seed);
    } catch (error) {
      for (let at: unknown = error; at instanceof Error; at = at.cause) console.log(at.stack);
      throw new Error(`SEED=${seed}`, { cause: error });
    }
  }
  console.log(`${seed - SEED} brokers, ${STEPS} steps each`);
});

fuzz.run();
