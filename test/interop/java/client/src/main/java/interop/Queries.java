package interop;

import org.apache.rocketmq.client.QueryResult;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Looks a message up: {@code key=} by its KEYS property, {@code unique=} by the client's message id,
 * {@code offsetId=} by the broker's (the id that names store host and commit log offset).
 */
final class Queries {
    private Queries() {
    }

    static void run(Options options, Report report) throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer(options.text("group", "interop-queries"));
        producer.setNamesrvAddr(options.need("namesrv"));
        producer.setVipChannelEnabled(options.flag("vip"));
        String topic = options.need("topic");
        String key = options.text("key", null);
        String unique = options.text("unique", null);
        String offsetId = options.text("offsetId", null);
        long begin = options.millis("begin", 0);
        long end = options.millis("end", System.currentTimeMillis() + 1_000);
        producer.start();
        int found = 0;
        try {
            if (key != null) {
                QueryResult result = producer.queryMessage(topic, key, options.number("max", 32), begin, end);
                found = result.getMessageList().size();
                result.getMessageList().forEach(report::received);
            }
            if (unique != null) {
                found += print(producer.viewMessage(topic, unique), report);
            }
            if (offsetId != null) {
                found += print(producer.viewMessage(offsetId), report);
            }
        } catch (MQBrokerException e) {
            report.line("refused", "code", e.getResponseCode(), "remark", e.getErrorMessage());
        } catch (MQClientException e) {
            report.line("refused", "code", e.getResponseCode(), "remark", e.getErrorMessage());
        }
        report.line("done", "found", found);
        producer.shutdown();
    }

    private static int print(MessageExt message, Report report) {
        if (message == null) {
            return 0;
        }
        report.received(message);
        return 1;
    }
}
