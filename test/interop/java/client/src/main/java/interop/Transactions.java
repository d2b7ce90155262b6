package interop;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.producer.LocalTransactionState;
import org.apache.rocketmq.client.producer.TransactionListener;
import org.apache.rocketmq.client.producer.TransactionMQProducer;
import org.apache.rocketmq.client.producer.TransactionSendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;

/**
 * Sends {@code count} transactional messages. {@code outcomes} gives, in rotation, what the local transaction answers:
 * commit, rollback, or check-commit / check-rollback (unknown at first, decided when the broker asks back).
 * Waits up to {@code timeoutMs} for the check-backs that are due.
 */
final class Transactions {
    private Transactions() {
    }

    static void run(Options options, Report report) throws Exception {
        TransactionMQProducer producer = new TransactionMQProducer(options.text("group", "interop-transactions"));
        producer.setNamesrvAddr(options.need("namesrv"));
        producer.setVipChannelEnabled(options.flag("vip"));
        String topic = options.need("topic");
        String prefix = options.need("prefix");
        String[] outcomes = options.text("outcomes", "commit,rollback").split(",");
        int count = options.number("count", outcomes.length);
        long timeoutMs = options.millis("timeoutMs", 30_000);
        int due = 0;
        for (int i = 0; i < count; i++) {
            due += outcomes[i % outcomes.length].startsWith("check-") ? 1 : 0;
        }
        CountDownLatch checks = new CountDownLatch(due);
        Map<String, String> outcomeOf = new ConcurrentHashMap<>();
        Map<String, Boolean> checked = new ConcurrentHashMap<>();
        producer.setTransactionListener(new TransactionListener() {
            @Override
            public LocalTransactionState executeLocalTransaction(Message message, Object outcome) {
                return stateOf((String) outcome, false);
            }

            @Override
            public LocalTransactionState checkLocalTransaction(MessageExt message) {
                String id = Bodies.idOf(message.getBody());
                report.line("checked", "id", id, "transactionId", message.getTransactionId(), "at", System.currentTimeMillis());
                if (checked.put(id, true) == null) {
                    checks.countDown();
                }
                return stateOf(outcomeOf.getOrDefault(id, "rollback"), true);
            }
        });
        producer.start();
        for (int i = 0; i < count; i++) {
            String id = prefix + "-" + i;
            String outcome = outcomes[i % outcomes.length];
            outcomeOf.put(id, outcome);
            TransactionSendResult result =
                producer.sendMessageInTransaction(new Message(topic, Bodies.of(id, 0)), outcome);
            report.line("sent", "id", id, "status", result.getSendStatus(), "outcome", outcome,
                "state", result.getLocalTransactionState(), "msgId", result.getMsgId());
        }
        boolean complete = checks.await(timeoutMs, TimeUnit.MILLISECONDS);
        report.line("done", "sent", count, "checked", checked.size(), "complete", complete);
        producer.shutdown();
    }

    private static LocalTransactionState stateOf(String outcome, boolean asked) {
        if (outcome.startsWith("check-") && !asked) {
            return LocalTransactionState.UNKNOW;
        }
        return outcome.endsWith("commit") ? LocalTransactionState.COMMIT_MESSAGE : LocalTransactionState.ROLLBACK_MESSAGE;
    }
}
