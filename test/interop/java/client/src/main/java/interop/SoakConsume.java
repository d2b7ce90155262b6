package interop;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.protocol.heartbeat.MessageModel;

/**
 * A member of one group of each of the {@code kinds} (test/soak/groups.ts), all in one client, until SIGTERM. What it
 * consumes is in the journal before the broker hears of it.
 */
final class SoakConsume {
    private static final int RETRIES = 2;
    private static final int THREADS = 4;
    private static final long SUSPEND_MS = 50;

    private final Options options;
    private final SoakJournal journal;
    private final String member;
    private final Set<String> suspended = ConcurrentHashMap.newKeySet();

    private SoakConsume(Options options) throws Exception {
        this.options = options;
        this.journal = new SoakJournal(options.need("journal"));
        this.member = options.need("member");
    }

    static void run(Options options, Report report) throws Exception {
        SoakConsume self = new SoakConsume(options);
        List<DefaultMQPushConsumer> consumers = new ArrayList<>();
        for (String kind : options.need("kinds").split(",")) {
            consumers.add(self.consumer(kind));
        }
        for (DefaultMQPushConsumer consumer : consumers) {
            consumer.start();
        }
        Runtime.getRuntime().addShutdownHook(new Thread(() -> consumers.forEach(DefaultMQPushConsumer::shutdown)));
        report.line("ready");
        Thread.currentThread().join();
    }

    private DefaultMQPushConsumer consumer(String kind) throws MQClientException {
        String group = "soak-java-" + kind;
        String topic = options.need("topic");
        DefaultMQPushConsumer consumer = new DefaultMQPushConsumer(group);
        consumer.setNamesrvAddr(options.need("namesrv"));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        consumer.setConsumeThreadMin(THREADS);
        consumer.setConsumeThreadMax(THREADS);
        consumer.setMaxReconsumeTimes(kind.equals("retry") ? RETRIES : -1);
        switch (kind) {
            case "dead" -> consumer.subscribe("%DLQ%soak-java-retry", "*");
            case "tags" -> consumer.subscribe(topic, "TagA || TagB");
            case "sql" -> consumer.subscribe(topic, MessageSelector.bySql("kind = 'even' AND n >= 0"));
            default -> consumer.subscribe(topic, "*");
        }
        if (kind.equals("broadcast")) {
            consumer.setMessageModel(MessageModel.BROADCASTING);
            // Its offsets are in the home directory, under a name that its next incarnation has, too.
            consumer.setInstanceName(member.substring(0, member.lastIndexOf('.')));
        }
        if (kind.equals("orderly")) {
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                context.setSuspendCurrentQueueTimeMillis(SUSPEND_MS);
                MessageExt message = messages.get(0);
                String id = Bodies.idOf(message.getBody());
                boolean isAccepted = !SoakRules.suspends(SoakRules.numberOf(id)) || !suspended.add(id);
                journal.delivered(isAccepted, group, member, message, context.getMessageQueue());
                return isAccepted ? ConsumeOrderlyStatus.SUCCESS : ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            });
        } else {
            consumer.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                MessageExt message = messages.get(0);
                boolean isAccepted = !kind.equals("retry") || !refuses(message);
                journal.delivered(isAccepted, group, member, message, context.getMessageQueue());
                return isAccepted ? ConsumeConcurrentlyStatus.CONSUME_SUCCESS : ConsumeConcurrentlyStatus.RECONSUME_LATER;
            });
        }
        return consumer;
    }

    private static boolean refuses(MessageExt message) {
        int n = SoakRules.numberOf(Bodies.idOf(message.getBody()));
        return SoakRules.isPoison(n) || SoakRules.isRefusedOnce(n) && message.getReconsumeTimes() == 0;
    }
}
