package interop;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.common.message.MessageExt;

/** Counts what a consumer got: distinct ids, duplicates, and deliveries that were refused on purpose. */
final class Tally {
    private final Report report;
    private final int failTimes;
    private final Map<String, Integer> refusals = new HashMap<>();
    private final Set<String> seen = new HashSet<>();
    private int duplicates;
    private int refused;
    private long lastArrivalNanos = System.nanoTime();

    Tally(Report report, int failTimes) {
        this.report = report;
        this.failTimes = failTimes;
    }

    /** True when this delivery counts as consumed; false for the first {@code failTimes} deliveries of an id. */
    synchronized boolean accept(MessageExt message) {
        String id = Bodies.idOf(message.getBody());
        lastArrivalNanos = System.nanoTime();
        if (refusals.getOrDefault(id, 0) < failTimes) {
            refusals.merge(id, 1, Integer::sum);
            refused++;
            report.line("refused", "id", id, "topic", message.getTopic(), "reconsume", message.getReconsumeTimes(),
                "at", System.currentTimeMillis());
            return false;
        }
        if (!seen.add(id)) {
            duplicates++;
        }
        report.received(message);
        notifyAll();
        return true;
    }

    /** Returns when {@code count} distinct ids were seen and nothing came for {@code quietMs}, or after {@code timeoutMs}. */
    synchronized void await(int count, long timeoutMs, long quietMs) throws InterruptedException {
        long begin = System.nanoTime();
        while (true) {
            long now = System.nanoTime();
            long leftMs = timeoutMs - (now - begin) / 1_000_000;
            long quietLeftMs = quietMs - (now - lastArrivalNanos) / 1_000_000;
            boolean complete = seen.size() >= count;
            if (leftMs <= 0 || complete && quietLeftMs <= 0) {
                return;
            }
            wait(complete ? Math.min(leftMs, quietLeftMs) : leftMs);
        }
    }

    synchronized void done(long elapsedMs) {
        report.line("done", "distinct", seen.size(), "duplicates", duplicates, "refused", refused, "elapsedMs", elapsedMs);
    }
}
