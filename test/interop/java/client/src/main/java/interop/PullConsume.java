package interop;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * The old pull consumer: reads every queue of a topic from {@code from} (default: its minimum offset) until the broker
 * has nothing new, and prints the status that ended each queue. With {@code commit=true} it stores the offset it reached,
 * with {@code held=n} it then waits in n long polls, one after the other, at the end of a queue.
 */
@SuppressWarnings("deprecation")
final class PullConsume {
    private PullConsume() {
    }

    static void run(Options options, Report report) throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(options.need("group"));
        consumer.setNamesrvAddr(options.need("namesrv"));
        consumer.setVipChannelEnabled(options.flag("vip"));
        String topic = options.need("topic");
        String tags = options.text("tags", "*");
        int batch = options.number("batch", 32);
        long from = options.millis("from", -1);
        boolean commit = options.flag("commit");
        int held = options.number("held", 0);
        consumer.start();
        int messages = 0;
        Map<MessageQueue, Long> reached = new HashMap<>();
        List<MessageQueue> queues = new ArrayList<>(consumer.fetchSubscribeMessageQueues(topic));
        queues.sort(null);
        for (MessageQueue queue : queues) {
            long next = from >= 0 ? from : consumer.minOffset(queue);
            PullResult result = consumer.pull(queue, tags, next, batch);
            while (result.getPullStatus() == PullStatus.FOUND || result.getPullStatus() == PullStatus.NO_MATCHED_MSG) {
                if (result.getPullStatus() == PullStatus.FOUND) {
                    for (MessageExt message : result.getMsgFoundList()) {
                        report.received(message);
                        messages++;
                    }
                }
                next = result.getNextBeginOffset();
                result = consumer.pull(queue, tags, next, batch);
            }
            report.line("queue", "broker", queue.getBrokerName(), "queue", queue.getQueueId(), "status", result.getPullStatus(),
                "at", next, "next", result.getNextBeginOffset(), "min", result.getMinOffset(), "max", result.getMaxOffset());
            reached.put(queue, next);
        }
        for (int i = 0; i < held; i++) {
            hold(consumer, queues.get(i % queues.size()), tags, batch, report);
        }
        if (commit) {
            // Not by way of the offset store's memory: the client's first rebalance, which comes at any time, empties that.
            for (MessageQueue queue : queues) {
                consumer.getOffsetStore().updateConsumeOffsetToBroker(queue, reached.get(queue), true);
            }
            for (MessageQueue queue : queues) {
                report.line("committed", "broker", queue.getBrokerName(), "queue", queue.getQueueId(),
                    "offset", consumer.fetchConsumeOffset(queue, true));
            }
        }
        report.line("done", "messages", messages, "queues", queues.size());
        consumer.shutdown();
    }

    /** One long poll at the end of a queue: says "holding", then what it was answered and after how long. */
    private static void hold(DefaultMQPullConsumer consumer, MessageQueue queue, String tags, int batch, Report report)
        throws Exception {
        long next = consumer.maxOffset(queue);
        report.line("holding", "broker", queue.getBrokerName(), "queue", queue.getQueueId(), "at", next);
        long start = System.nanoTime();
        PullResult result = consumer.pullBlockIfNotFound(queue, tags, next, batch);
        long heldMs = (System.nanoTime() - start) / 1_000_000;
        if (result.getPullStatus() == PullStatus.FOUND) {
            result.getMsgFoundList().forEach(report::received);
        }
        report.line("held", "status", result.getPullStatus(), "ms", heldMs, "next", result.getNextBeginOffset());
    }
}
