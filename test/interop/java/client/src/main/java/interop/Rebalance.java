package interop;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.AllocateMessageQueueStrategy;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMachineRoomNearby;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragelyByCircle;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueByConfig;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueByMachineRoom;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueConsistentHash;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/**
 * Members of one group join, leave and crash one after the other, all in this JVM, while a producer sends all the time.
 * Prints how long it took each time until every queue had exactly one owner again, and at the end what was lost.
 * With {@code stay} nobody leaves; {@code holdMs} is how long they go on after that. {@code strategy}: average, circle, config, room, nearby or hash.
 */
final class Rebalance {
    private static final long SETTLED_MS = 30_000;

    private final Options options;
    private final Report report;
    private final String topic;
    private final String strategy;
    private final boolean orderly;
    private final List<DefaultMQPushConsumer> members = new ArrayList<>();
    private final Set<String> sent = ConcurrentHashMap.newKeySet();
    private final Map<String, AtomicInteger> got = new ConcurrentHashMap<>();
    /** Of each queue: the highest offset that was consumed, and whether a listener is in it. */
    private final Map<MessageQueue, Long> reached = new ConcurrentHashMap<>();
    private final Map<MessageQueue, AtomicInteger> inside = new ConcurrentHashMap<>();
    private final Set<String> suspended = ConcurrentHashMap.newKeySet();
    private final AtomicInteger outOfOrder = new AtomicInteger();
    private final AtomicInteger together = new AtomicInteger();
    private Set<MessageQueue> queues;

    private Rebalance(Options options, Report report) {
        this.options = options;
        this.report = report;
        this.topic = options.need("topic");
        this.strategy = options.text("strategy", "average");
        this.orderly = options.flag("orderly");
    }

    static void run(Options options, Report report) throws Exception {
        new Rebalance(options, report).run();
    }

    private void run() throws Exception {
        DefaultMQProducer producer = new DefaultMQProducer("rebalance-producer");
        producer.setNamesrvAddr(options.need("namesrv"));
        producer.start();
        queues = new HashSet<>(producer.fetchPublishMessageQueues(topic));
        AtomicBoolean isSending = new AtomicBoolean(true);
        int pauseMs = options.number("pauseMs", 2);
        Thread load = new Thread(() -> send(producer, isSending, pauseMs));
        load.start();
        int count = options.number("members", 3);
        for (int i = 0; i < count; i++) {
            DefaultMQPushConsumer member = member(i, count);
            long begin = System.nanoTime();
            member.start();
            members.add(member);
            settled("joined", begin);
        }
        if (!options.flag("stay")) {
            leave();
        }
        report.line("ready");
        Thread.sleep(options.millis("holdMs", 500));
        isSending.set(false);
        load.join();
        long end = System.nanoTime() + SETTLED_MS * 1_000_000;
        while (lost() > 0 && System.nanoTime() < end) {
            Thread.sleep(20);
        }
        int duplicates = got.values().stream().mapToInt(times -> times.get() - 1).sum();
        report.line("done", "sent", sent.size(), "lost", lost(), "duplicates", duplicates, "outOfOrder", outOfOrder,
            "together", together, "suspended", suspended.size());
        for (DefaultMQPushConsumer member : members) {
            member.shutdown();
        }
        producer.shutdown();
    }

    /** One says goodbye, another one crashes. */
    private void leave() throws InterruptedException {
        Thread.sleep(500);
        DefaultMQPushConsumer leaver = members.remove(members.size() - 1);
        long begin = System.nanoTime();
        // It takes a second more to end its own threads.
        Thread leaving = new Thread(leaver::shutdown);
        leaving.start();
        settled("left", begin);
        leaving.join();
        if (members.size() > 1) {
            Thread.sleep(500);
            DefaultMQPushConsumer victim = members.remove(members.size() - 1);
            begin = System.nanoTime();
            // Its connections close, and nothing is said.
            victim.getDefaultMQPushConsumerImpl().getmQClientFactory().getMQClientAPIImpl().shutdown();
            settled("crashed", begin);
        }
    }

    private long lost() {
        return sent.stream().filter(id -> !got.containsKey(id)).count();
    }

    private void send(DefaultMQProducer producer, AtomicBoolean isSending, int pauseMs) {
        for (int i = 0; isSending.get(); i++) {
            String id = "m-" + i;
            try {
                producer.send(new Message(topic, Bodies.of(id, 0)));
                sent.add(id);
                Thread.sleep(pauseMs);
            } catch (Exception e) {
                report.failed(id, e);
            }
        }
    }

    private DefaultMQPushConsumer member(int index, int count) throws Exception {
        DefaultMQPushConsumer member = new DefaultMQPushConsumer(options.need("group"));
        member.setNamesrvAddr(options.need("namesrv"));
        member.setInstanceName("member" + index);
        member.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        member.setAllocateMessageQueueStrategy(allocate(index, count));
        member.setPersistConsumerOffsetInterval(1_000);
        member.subscribe(topic, "*");
        if (orderly) {
            member.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                context.setSuspendCurrentQueueTimeMillis(20);
                return inOrder(messages, context.getMessageQueue())
                    ? ConsumeOrderlyStatus.SUCCESS : ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
            });
        } else {
            member.registerMessageListener((MessageListenerConcurrently) (messages, context) -> {
                messages.forEach(this::count);
                return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
            });
        }
        return member;
    }

    private AllocateMessageQueueStrategy allocate(int index, int count) {
        return switch (strategy) {
            case "average" -> new AllocateMessageQueueAveragely();
            case "circle" -> new AllocateMessageQueueAveragelyByCircle();
            case "hash" -> new AllocateMessageQueueConsistentHash();
            case "config" -> {
                List<MessageQueue> own = new ArrayList<>();
                for (MessageQueue queue : new TreeSet<>(queues)) {
                    if (count == 1 || queue.getQueueId() % count == index) {
                        own.add(queue);
                    }
                }
                AllocateMessageQueueByConfig byConfig = new AllocateMessageQueueByConfig();
                byConfig.setMessageQueueList(own);
                yield byConfig;
            }
            case "room" -> {
                AllocateMessageQueueByMachineRoom byRoom = new AllocateMessageQueueByMachineRoom();
                byRoom.setConsumeridcs(queues.stream().map(queue -> queue.getBrokerName().split("@")[0]).collect(Collectors.toSet()));
                yield byRoom;
            }
            case "nearby" -> new AllocateMachineRoomNearby(new AllocateMessageQueueAveragely(),
                new AllocateMachineRoomNearby.MachineRoomResolver() {
                    @Override
                    public String brokerDeployIn(MessageQueue queue) {
                        return queue.getBrokerName();
                    }

                    @Override
                    public String consumerDeployIn(String clientId) {
                        // Members with an even number are beside the first broker, the others beside the last.
                        int member = Integer.parseInt(clientId.replaceAll(".*member(\\d+).*", "$1"));
                        TreeSet<String> brokers = new TreeSet<>();
                        queues.forEach(queue -> brokers.add(queue.getBrokerName()));
                        return member % 2 == 0 ? brokers.first() : brokers.last();
                    }
                });
            default -> throw new IllegalArgumentException("strategy " + strategy);
        };
    }

    private void count(MessageExt message) {
        got.computeIfAbsent(Bodies.idOf(message.getBody()), id -> new AtomicInteger()).incrementAndGet();
    }

    /** False for the first delivery of every twentieth message: it comes again, before its successors. */
    private boolean inOrder(List<MessageExt> messages, MessageQueue queue) {
        AtomicInteger listeners = inside.computeIfAbsent(queue, key -> new AtomicInteger());
        if (listeners.incrementAndGet() > 1) {
            together.incrementAndGet();
        }
        try {
            for (MessageExt message : messages) {
                long offset = message.getQueueOffset();
                String id = Bodies.idOf(message.getBody());
                if (offset % 20 == 7 && suspended.add(id)) {
                    return false;
                }
                if (offset > reached.getOrDefault(queue, -1L) + 1) {
                    outOfOrder.incrementAndGet();
                }
                reached.merge(queue, offset, Math::max);
                count(message);
            }
            return true;
        } finally {
            listeners.decrementAndGet();
        }
    }

    /** Waits until every queue has exactly one owner and, unless the strategy leaves some out, everybody has a queue. */
    private void settled(String event, long begin) throws InterruptedException {
        long end = System.nanoTime() + SETTLED_MS * 1_000_000;
        while (System.nanoTime() < end) {
            Map<MessageQueue, Integer> owners = new HashMap<>();
            boolean hasIdle = false;
            for (DefaultMQPushConsumer member : members) {
                Set<MessageQueue> own = new HashSet<>();
                member.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().forEach((queue, state) -> {
                    if (queue.getTopic().equals(topic) && !state.isDropped()) {
                        own.add(queue);
                    }
                });
                hasIdle |= own.isEmpty();
                own.forEach(queue -> owners.merge(queue, 1, Integer::sum));
            }
            boolean isComplete = strategy.equals("config") || owners.size() == queues.size();
            boolean isShared = !hasIdle || strategy.equals("hash");
            if (isComplete && isShared && owners.values().stream().allMatch(count -> count == 1)) {
                report.line(event, "members", members.size(), "ms", (System.nanoTime() - begin) / 1_000_000,
                    "queues", owners.size());
                return;
            }
            Thread.sleep(2);
        }
        report.line("unsettled", "after", event, "members", members.size());
    }
}
