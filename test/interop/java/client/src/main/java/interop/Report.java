package interop;

import java.io.PrintStream;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.MessageExt;

/** Prints one line per event: a word, then key=value pairs whose values are percent-encoded. Safe from any thread. */
final class Report {
    private final PrintStream out = System.out;

    void line(String event, Object... pairs) {
        StringBuilder text = new StringBuilder(event);
        for (int i = 0; i < pairs.length; i += 2) {
            String value = URLEncoder.encode(String.valueOf(pairs[i + 1]), StandardCharsets.UTF_8).replace("+", "%20");
            text.append(' ').append(pairs[i]).append('=').append(value);
        }
        synchronized (out) {
            out.println(text);
            out.flush();
        }
    }

    void sent(String id, SendResult result) {
        line("sent", "id", id, "status", result.getSendStatus(), "broker", result.getMessageQueue().getBrokerName(),
            "queue", result.getMessageQueue().getQueueId(), "offset", result.getQueueOffset(),
            "msgId", result.getMsgId(), "offsetMsgId", result.getOffsetMsgId());
    }

    void failed(String id, Throwable cause) {
        line("failed", "id", id, "error", cause.toString().split("\n", 2)[0]);
    }

    void received(MessageExt message) {
        // A property with an empty value comes back as no property at all, so absence is printed as the empty string.
        line("received", "id", Bodies.idOf(message.getBody()), "topic", message.getTopic(),
            "broker", brokerOf(message), "queue", message.getQueueId(), "offset", message.getQueueOffset(),
            "reconsume", message.getReconsumeTimes(), "tags", orEmpty(message.getTags()),
            "keys", orEmpty(message.getKeys()), "size", message.getBody().length,
            "intact", Bodies.isIntact(message.getBody()), "msgId", message.getMsgId(),
            "born", message.getBornTimestamp(), "stored", message.getStoreTimestamp(), "at", System.currentTimeMillis());
    }

    /** Messages of 4.4 do not say it. */
    private static String brokerOf(MessageExt message) {
        try {
            return (String) MessageExt.class.getMethod("getBrokerName").invoke(message);
        } catch (NoSuchMethodException e) {
            return "";
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    private static String orEmpty(String text) {
        return text == null ? "" : text;
    }
}
