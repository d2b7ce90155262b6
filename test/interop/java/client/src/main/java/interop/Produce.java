package interop;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;

/**
 * Sends {@code count} messages with the ids {@code prefix-0 ...} and prints what became of each.
 * Modes: sync, async (at most 64 in flight), oneway, batch ({@code batch} a request), select (a selector sends shard
 * {@code i % shards} always to the same queue).
 */
final class Produce {
    private static final int ASYNC_IN_FLIGHT = 64;

    private final Report report;
    private final DefaultMQProducer producer;
    private final AtomicInteger acknowledged = new AtomicInteger();
    private final AtomicInteger failed = new AtomicInteger();

    private Produce(Report report, DefaultMQProducer producer) {
        this.report = report;
        this.producer = producer;
    }

    static void run(Options options, Report report) throws Exception {
        DefaultMQProducer producer =
            new DefaultMQProducer(options.text("group", "interop-producer"), options.flag("trace"), null);
        producer.setNamesrvAddr(options.need("namesrv"));
        producer.setVipChannelEnabled(options.flag("vip"));
        producer.setSendMsgTimeout(options.number("sendTimeoutMs", 5_000));
        producer.setRetryTimesWhenSendFailed(options.number("retries", 2));
        producer.setDefaultTopicQueueNums(options.number("queues", 4));
        producer.setMaxMessageSize(options.number("maxMessageBytes", 4 * 1024 * 1024));
        List<Message> messages = messages(options);
        int batch = options.number("batch", 32);
        int shards = options.number("shards", 4);
        int pauseMs = options.number("pauseMs", 0);
        String mode = options.text("mode", "sync");
        producer.start();
        Produce self = new Produce(report, producer);
        long start = System.nanoTime();
        switch (mode) {
            case "sync" -> self.sync(messages, pauseMs);
            case "async" -> self.async(messages);
            case "oneway" -> self.oneway(messages);
            case "batch" -> self.batch(messages, batch);
            case "select" -> self.select(messages, shards);
            default -> throw new IllegalArgumentException("unknown mode " + mode);
        }
        long elapsedMs = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
        report.line("done", "acknowledged", self.acknowledged, "failed", self.failed, "elapsedMs", elapsedMs);
        producer.shutdown();
    }

    private static List<Message> messages(Options options) {
        String topic = options.need("topic");
        String prefix = options.need("prefix");
        String[] tags = options.text("tags", "").split(",");
        boolean keys = options.flag("keys");
        int level = options.number("level", 0);
        int sizeBytes = options.number("size", 0);
        String property = options.text("property", null);
        List<Message> messages = new ArrayList<>();
        for (int i = 0; i < options.number("count", 1); i++) {
            String id = prefix + "-" + i;
            Message message = new Message(topic, Bodies.of(id, sizeBytes));
            if (!tags[i % tags.length].isEmpty()) {
                message.setTags(tags[i % tags.length]);
            }
            if (keys) {
                message.setKeys(id);
            }
            if (level > 0) {
                message.setDelayTimeLevel(level);
            }
            if (property != null) {
                message.putUserProperty(property, Integer.toString(i));
            }
            messages.add(message);
        }
        return messages;
    }

    private static String idOf(Message message) {
        return Bodies.idOf(message.getBody());
    }

    private void sync(List<Message> messages, int pauseMs) throws InterruptedException {
        for (Message message : messages) {
            String id = idOf(message);
            try {
                succeeded(id, producer.send(message));
            } catch (Exception e) {
                failed(id, e);
            }
            if (pauseMs > 0) {
                Thread.sleep(pauseMs);
            }
        }
    }

    private void async(List<Message> messages) throws Exception {
        CountDownLatch open = new CountDownLatch(messages.size());
        Semaphore places = new Semaphore(ASYNC_IN_FLIGHT);
        for (Message message : messages) {
            places.acquire();
            String id = idOf(message);
            producer.send(message, new SendCallback() {
                @Override
                public void onSuccess(SendResult result) {
                    succeeded(id, result);
                    places.release();
                    open.countDown();
                }

                @Override
                public void onException(Throwable cause) {
                    failed(id, cause);
                    places.release();
                    open.countDown();
                }
            });
        }
        open.await(60, TimeUnit.SECONDS);
    }

    private void oneway(List<Message> messages) throws Exception {
        for (Message message : messages) {
            producer.sendOneway(message);
            report.line("sent", "id", idOf(message), "status", "ONEWAY");
        }
    }

    private void batch(List<Message> messages, int size) {
        for (int from = 0; from < messages.size(); from += size) {
            List<Message> part = messages.subList(from, Math.min(messages.size(), from + size));
            try {
                SendResult result = producer.send(part);
                acknowledged.addAndGet(part.size());
                String[] msgIds = result.getMsgId().split(",");
                String[] offsetMsgIds = result.getOffsetMsgId().split(",");
                for (int i = 0; i < part.size(); i++) {
                    report.line("sent", "id", idOf(part.get(i)), "status", result.getSendStatus(),
                        "broker", result.getMessageQueue().getBrokerName(), "queue", result.getMessageQueue().getQueueId(),
                        "offset", result.getQueueOffset() + i, "msgId", msgIds[i], "offsetMsgId", offsetMsgIds[i]);
                }
            } catch (Exception e) {
                part.forEach(message -> failed(idOf(message), e));
            }
        }
    }

    private void select(List<Message> messages, int shards) {
        for (int i = 0; i < messages.size(); i++) {
            Message message = messages.get(i);
            String id = idOf(message);
            try {
                succeeded(id, producer.send(message, (queues, m, shard) -> queues.get((Integer) shard % queues.size()), i % shards));
            } catch (Exception e) {
                failed(id, e);
            }
        }
    }

    private void succeeded(String id, SendResult result) {
        acknowledged.incrementAndGet();
        report.sent(id, result);
    }

    private void failed(String id, Throwable cause) {
        failed.incrementAndGet();
        report.failed(id, cause);
    }
}
