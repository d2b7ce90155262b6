package interop;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Sends one message, batch or transaction after the other until SIGTERM, and writes all of it into the journal. Any
 * producer of the group can answer for a transaction of another one that was killed: the number says what became of it.
 */
final class SoakProduce {
    private static final int BATCH = 4;
    private static final long QUIET_LOOK_MS = 100;
    private static final long STOP_MS = 10_000;

    private final TransactionMQProducer producer;
    private final SoakJournal journal;
    private final String topic;
    private final String member;

    private SoakProduce(TransactionMQProducer producer, SoakJournal journal, String topic, String member) {
        this.producer = producer;
        this.journal = journal;
        this.topic = topic;
        this.member = member;
    }

    static void run(Options options, Report report) throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer(options.need("group"));
        producer.setNamesrvAddr(options.need("namesrv"));
        SoakJournal journal = new SoakJournal(options.need("journal"));
        String topic = options.need("topic");
        String member = options.need("member");
        int pauseMs = options.number("pauseMs", 20);
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object argument) {
                return outcome(message.getBody());
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                return outcome(message.getBody());
            }
        });
        AtomicBoolean isRunning = new AtomicBoolean(true);
        CountDownLatch stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            isRunning.set(false);
            try {
                stopped.await(STOP_MS, TimeUnit.MILLISECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }));
        producer.start();
        report.line("ready");
        SoakProduce self = new SoakProduce(producer, journal, topic, member);
        int n = 0;
        while (isRunning.get()) {
            if (journal.isQuiet()) {
                Thread.sleep(QUIET_LOOK_MS);
                continue;
            }
            n = self.next(n);
            Thread.sleep(pauseMs);
        }
        producer.shutdown();
        stopped.countDown();
        // Until the hook, and with it the process, has ended.
        Thread.sleep(STOP_MS);
    }

    private static LocalTransactionState outcome(byte[] body) {
        return SoakRules.isRolledBack(SoakRules.numberOf(Bodies.idOf(body)))
            ? LocalTransactionState.ROLLBACK_MESSAGE : LocalTransactionState.COMMIT_MESSAGE;
    }

    /** Gives the number that comes next. */
    private int next(int n) {
        if (SoakRules.opensBatch(n)) {
            List<String> ids = new ArrayList<>();
            for (int i = 0; i < BATCH; i++) {
                ids.add(member + "-" + (n + i));
            }
            batch(ids);
            return n + BATCH;
        }
        String id = member + "-" + n;
        if (SoakRules.isTransaction(n)) {
            transaction(id);
        } else {
            single(id, !SoakRules.isDelayed(n));
        }
        return n + 1;
    }

    private void single(String id, boolean tellsPlace) {
        journal.tried(id);
        try {
            journal.sent(id, producer.send(SoakRules.message(topic, id)), tellsPlace, 0);
        } catch (Exception e) {
            journal.failed(id, e.toString());
        }
    }

    private void batch(List<String> ids) {
        List<Message> messages = new ArrayList<>();
        for (String id : ids) {
            journal.tried(id);
            messages.add(SoakRules.message(topic, id));
        }
        try {
            SendResult result = producer.send(messages);
            for (int i = 0; i < ids.size(); i++) {
                journal.sent(ids.get(i), result, true, i);
            }
        } catch (Exception e) {
            ids.forEach(id -> journal.failed(id, e.toString()));
        }
    }

    /** The client rolls back by itself what the slave did not confirm. */
    private void transaction(String id) {
        journal.tried(id);
        try {
            var result = producer.sendMessageInTransaction(SoakRules.message(topic, id), null);
            if (result.getLocalTransactionState() == LocalTransactionState.COMMIT_MESSAGE) {
                journal.sent(id, result, false, 0);
            } else {
                journal.rolledBack(id, result.getSendStatus());
            }
        } catch (Exception e) {
            journal.failed(id, e.toString());
        }
    }
}
