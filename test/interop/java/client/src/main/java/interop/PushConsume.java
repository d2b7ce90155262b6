package interop;

import java.lang.reflect.Method;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragelyByCircle;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.common.UtilAll;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * A push consumer that ends when {@code count} distinct ids were consumed and nothing came for {@code quietMs}, or at
 * {@code timeoutMs}. With {@code failTimes=n} the first n deliveries of every message are refused: they are printed as
 * "refused" and count as nothing.
 */
final class PushConsume {
    private PushConsume() {
    }

    static void run(Options options, Report report) throws Exception {
        DefaultMQPushConsumer consumer =
            new DefaultMQPushConsumer(options.need("group"), options.flag("trace"), null);
        consumer.setNamesrvAddr(options.need("namesrv"));
        consumer.setVipChannelEnabled(options.flag("vip"));
        setMessageModel(consumer, options.text("model", "CLUSTERING"));
        consumer.setConsumeFromWhere(ConsumeFromWhere.valueOf("CONSUME_FROM_" + options.text("from", "FIRST_OFFSET")));
        String since = options.text("since", null);
        if (since != null) {
            consumer.setConsumeTimestamp(UtilAll.timeMillisToHumanString3(Long.parseLong(since)));
        }
        consumer.setPullBatchSize(options.number("pullBatch", 32));
        consumer.setConsumeMessageBatchMaxSize(1);
        consumer.setMaxReconsumeTimes(options.number("maxReconsume", -1));
        if ("circle".equals(options.text("allocate", "average"))) {
            consumer.setAllocateMessageQueueStrategy(new AllocateMessageQueueAveragelyByCircle());
        }
        String topic = options.need("topic");
        String sql = options.text("sql", null);
        if (sql == null) {
            consumer.subscribe(topic, options.text("tags", "*"));
        } else {
            consumer.subscribe(topic, MessageSelector.bySql(sql));
        }
        int failTimes = options.number("failTimes", 0);
        Tally tally = new Tally(report, failTimes);
        if (options.flag("orderly")) {
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                boolean accepted = true;
                for (MessageExt message : messages) {
                    accepted &= tally.accept(message);
                }
                context.setSuspendCurrentQueueTimeMillis(200);
                return accepted ? ConsumeOrderlyStatus.SUCCESS : ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            });
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                boolean accepted = true;
                for (MessageExt message : messages) {
                    accepted &= tally.accept(message);
                }
                return accepted ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER;
            });
        }
        int count = options.number("count", 1);
        long timeoutMs = options.millis("timeoutMs", 30_000);
        long quietMs = options.millis("quietMs", 300);
        long start = System.nanoTime();
        try {
            consumer.start();
        } catch (MQClientException e) {
            // What the broker says of the subscription.
            report.line("unstarted", "code", e.getResponseCode(), "error", e.getMessage());
            return;
        }
        report.line("ready");
        tally.await(count, timeoutMs, quietMs);
        tally.done(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
        consumer.shutdown();
    }

    /** The enum is in another package since 5.0. */
    @SuppressWarnings({"unchecked", "rawtypes"})
    private static void setMessageModel(DefaultMQPushConsumer consumer, String name) throws ReflectiveOperationException {
        for (Method method : DefaultMQPushConsumer.class.getMethods()) {
            if (method.getName().equals("setMessageModel")) {
                method.invoke(consumer, Enum.valueOf((Class<Enum>) method.getParameterTypes()[0], name));
            }
        }
    }
}
