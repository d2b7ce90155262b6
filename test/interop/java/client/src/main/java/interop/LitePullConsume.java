package interop;

import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultLitePullConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.MessageExt;

/** A lite pull consumer in subscribe mode; ends like PushConsume. */
final class LitePullConsume {
    private LitePullConsume() {
    }

    static void run(Options options, Report report) throws Exception {
        DefaultLitePullConsumer consumer = new DefaultLitePullConsumer(options.need("group"));
        consumer.setNamesrvAddr(options.need("namesrv"));
        consumer.setVipChannelEnabled(options.flag("vip"));
        consumer.setConsumeFromWhere(ConsumeFromWhere.valueOf("CONSUME_FROM_" + options.text("from", "FIRST_OFFSET")));
        consumer.setAutoCommit(true);
        String sql = options.text("sql", null);
        if (sql == null) {
            consumer.subscribe(options.need("topic"), options.text("tags", "*"));
        } else {
            consumer.subscribe(options.need("topic"), MessageSelector.bySql(sql));
        }
        int count = options.number("count", 1);
        long timeoutMs = options.millis("timeoutMs", 30_000);
        long quietMs = options.millis("quietMs", 300);
        Tally tally = new Tally(report, 0);
        long start = System.nanoTime();
        consumer.start();
        report.line("ready");
        Thread reader = new Thread(() -> {
            while (consumer.isRunning()) {
                List<MessageExt> messages = consumer.poll(100);
                messages.forEach(tally::accept);
            }
        }, "reader");
        reader.setDaemon(true);
        reader.start();
        tally.await(count, timeoutMs, quietMs);
        tally.done(TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start));
        consumer.shutdown();
    }
}
