package interop;

import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/** A requester and a responder in one process: each request's body comes back with "re-" before it. */
final class RequestReply {
    private RequestReply() {
    }

    static void run(Options options, Report report) throws Exception {
        String namesrv = options.need("namesrv");
        String topic = options.need("topic");
        String group = options.text("group", "interop-request");
        String prefix = options.need("prefix");
        int count = options.number("count", 1);
        long timeoutMs = options.millis("timeoutMs", 20_000);

        DefaultMQProducer replier = new DefaultMQProducer(group + "-reply");
        replier.setNamesrvAddr(namesrv);
        replier.start();
        DefaultMQPushConsumer responder = new DefaultMQPushConsumer(group + "-responder");
        responder.setNamesrvAddr(namesrv);
        responder.subscribe(topic, "*");
        responder.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
            for (MessageExt message : messages) {
                String id = Bodies.idOf(message.getBody());
                try {
                    replier.send(MessageUtil.createReplyMessage(message, Bodies.of("re-" + id, 0)), 3_000);
                } catch (Exception e) {
                    report.failed(id, e);
                    return ConsumeConcurrentlyStatus.RECONSUME_LATER;
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        });
        responder.start();

        DefaultMQProducer requester = new DefaultMQProducer(group + "-requester");
        requester.setNamesrvAddr(namesrv);
        requester.start();
        int replies = 0;
        for (int i = 0; i < count; i++) {
            String id = prefix + "-" + i;
            long start = System.nanoTime();
            try {
                Message reply = requester.request(new Message(topic, Bodies.of(id, 0)), timeoutMs);
                replies++;
                report.line("reply", "id", id, "body", Bodies.idOf(reply.getBody()),
                    "ms", TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
            } catch (Exception e) {
                report.failed(id, e);
            }
        }
        report.line("done", "replies", replies);
        requester.shutdown();
        responder.shutdown();
        replier.shutdown();
    }
}
