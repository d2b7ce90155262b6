package interop;

import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Prints minimum and maximum offset of every queue of a topic, and with {@code time=MILLIS} the offset that a search by
 * store time gives. With {@code committed=true} also what the group has committed, -1 when nothing.
 */
@SuppressWarnings("deprecation")
final class Offsets {
    private Offsets() {
    }

    static void run(Options options, Report report) throws Exception {
        DefaultMQPullConsumer consumer = new DefaultMQPullConsumer(options.text("group", "interop-offsets"));
        consumer.setNamesrvAddr(options.need("namesrv"));
        consumer.setVipChannelEnabled(options.flag("vip"));
        String topic = options.need("topic");
        long timeMs = options.millis("time", -1);
        boolean committed = options.flag("committed");
        consumer.start();
        List<MessageQueue> queues = new ArrayList<>(consumer.fetchSubscribeMessageQueues(topic));
        queues.sort(null);
        for (MessageQueue queue : queues) {
            List<Object> pairs = new ArrayList<>(List.of("broker", queue.getBrokerName(), "queue", queue.getQueueId(),
                "min", consumer.minOffset(queue), "max", consumer.maxOffset(queue),
                "earliestMs", consumer.earliestMsgStoreTime(queue)));
            if (timeMs >= 0) {
                pairs.addAll(List.of("found", consumer.searchOffset(queue, timeMs)));
            }
            if (committed) {
                pairs.addAll(List.of("committed", consumer.fetchConsumeOffset(queue, true)));
            }
            report.line("offset", pairs.toArray());
        }
        report.line("done", "queues", queues.size());
        consumer.shutdown();
    }
}
