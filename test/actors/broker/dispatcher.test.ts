/** Entries on their way to the queue hosts, and what is left of them between batches. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readInt64 } from '../../../src/base/int64.js';
import { Dispatcher } from '../../../src/actors/broker/store/dispatcher.js';
import { FREE_BYTES_MAX, PendingPool } from '../../../src/actors/broker/store/pending-entries.js';
import { type BrokerQueue, TopicTable } from '../../../src/actors/broker/tables/topic-table.js';
import type { Context } from '../../../src/runtime/actor.js';
import { ENTRY } from '../../../src/store/consume-queue-entry.js';

interface Sent {
  readonly queueId: number;
  readonly firstQueueOffset: number;
  readonly physicalOffsets: readonly number[];
}

/** A dispatcher with one host that takes everything, and what it has been sent. */
function dispatcherOf(): { readonly dispatcher: Dispatcher; readonly sent: Sent[] } {
  const sent: Sent[] = [];
  const buffer = Buffer.alloc(256 * 1024);
  const view = new DataView(buffer.buffer, buffer.byteOffset, buffer.length);
  let head = { queueId: 0, firstQueueOffset: 0, count: 0 };
  const context = {
    isOpen: () => true,
    begin: (_to: number, _kind: unknown, message: typeof head) => {
      head = { ...message };
      return { buffer, at: 0 };
    },
    end: (bytes: number) => {
      const from = 1 + buffer[0]!;
      assert.is(bytes, from + head.count * ENTRY.bytes);
      const physicalOffsets = Array.from({ length: head.count }, (_, n) => readInt64(view, from + n * ENTRY.bytes));
      sent.push({ queueId: head.queueId, firstQueueOffset: head.firstQueueOffset, physicalOffsets });
    },
  };
  return { dispatcher: new Dispatcher(context as unknown as Context, [0]), sent };
}

function queuesOf(count: number): BrokerQueue[] {
  const topic = new TopicTable().ensure('many');
  return Array.from({ length: count }, (_, queueId) => topic.queue(queueId));
}

const dispatch = suite('dispatcher: a batch');

dispatch('goes out as one message a queue, and the queues keep nothing of it', () => {
  const { dispatcher, sent } = dispatcherOf();
  const queues = queuesOf(3);
  for (let batch = 0; batch < 2; batch++) {
    // More than fits into the first room of a queue.
    for (let n = 0; n < 50; n++) {
      for (const queue of queues) dispatcher.add(queue, batch * 50 + n, queue.queueId * 1e12 + batch * 50 + n, 1, 0, 1);
    }
    assert.is(dispatcher.oldestPending, batch * 50);
    dispatcher.flush();
    for (const { pending, pendingCount } of queues) assert.equal([pending, pendingCount], [undefined, 0]);
    const offsets = (queueId: number) => Array.from({ length: 50 }, (_, n) => queueId * 1e12 + batch * 50 + n);
    assert.equal(
      sent.splice(0),
      [0, 1, 2].map((queueId) => ({ queueId, firstQueueOffset: batch * 50, physicalOffsets: offsets(queueId) })),
    );
  }
});

dispatch('of a queue that begins anew is only what came since', () => {
  const { dispatcher, sent } = dispatcherOf();
  const [queue] = queuesOf(1);
  dispatcher.add(queue!, 7, 100, 1, 0, 1);
  dispatcher.add(queue!, 0, 200, 1, 0, 1);
  dispatcher.add(queue!, 1, 300, 1, 0, 1);
  dispatcher.flush();
  assert.equal(sent, [{ queueId: 0, firstQueueOffset: 0, physicalOffsets: [200, 300] }]);
});

dispatch('of a topic that was deleted, or of before the log began anew, is not sent', () => {
  const { dispatcher, sent } = dispatcherOf();
  const [deleted, older] = queuesOf(2);
  dispatcher.add(deleted!, 0, 100, 1, 0, 1);
  deleted!.topic.dropQueue(deleted!);
  dispatcher.flush();
  dispatcher.add(older!, 0, 200, 1, 0, 1);
  dispatcher.beginAt(1_000);
  dispatcher.flush();
  assert.equal(sent, []);
  assert.equal([deleted!.pending, older!.pending], [undefined, undefined]);
});

dispatch.run();

const rooms = suite('rooms for entries of a batch');

rooms('are used again, and those beyond 512 KiB forgotten', () => {
  const pool = new PendingPool();
  const first = pool.take();
  pool.giveBack(first);
  assert.is(pool.take(), first);
  const taken = Array.from({ length: 1_000 }, () => pool.take());
  for (const room of taken) for (let n = 0; n < 100; n++) room.room(n);
  for (const room of taken) pool.giveBack(room);
  assert.ok(
    pool.freeBytes > FREE_BYTES_MAX / 2 && pool.freeBytes <= FREE_BYTES_MAX,
    `${pool.freeBytes} bytes are kept`,
  );
  for (let kept = pool.freeBytes; kept > 0; kept = pool.freeBytes) pool.take();
  assert.is(pool.freeBytes, 0);
});

rooms.run();
