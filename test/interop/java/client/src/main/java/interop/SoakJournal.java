package interop;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.producer.SendStatus;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** The soak's journal (test/soak/journal.ts): a record is one write of a file opened for appending. */
final class SoakJournal {
    private final OutputStream out;
    private final Path quiet;

    SoakJournal(String path) throws IOException {
        out = new FileOutputStream(path, true);
        quiet = Path.of(path + ".quiet");
    }

    /** Producers only stay connected then. */
    boolean isQuiet() {
        return Files.exists(quiet);
    }

    void tried(String id) {
        append("tried", "id", id);
    }

    /** Answers to delayed and half messages tell places in other topics. */
    void sent(String id, SendResult result, boolean tellsPlace, int index) {
        if (tellsPlace) {
            append("sent", "id", id, "status", result.getSendStatus(), "b", result.getMessageQueue().getBrokerName(),
                "q", result.getMessageQueue().getQueueId(), "o", result.getQueueOffset() + index);
        } else {
            append("sent", "id", id, "status", result.getSendStatus());
        }
    }

    void failed(String id, String why) {
        append("failed", "id", id, "why", why);
    }

    void rolledBack(String id, SendStatus status) {
        append("rolled", "id", id, "status", status);
    }

    void delivered(boolean isAccepted, String group, String member, MessageExt message, MessageQueue queue) {
        List<Object> pairs = new ArrayList<>(List.of("g", group, "m", member, "id", Bodies.idOf(message.getBody()),
            "b", queue.getBrokerName(), "q", message.getQueueId(), "o", message.getQueueOffset(),
            "r", message.getReconsumeTimes()));
        if (queue.getTopic().startsWith("%RETRY%")) {
            pairs.addAll(List.of("retry", 1));
        }
        if (!Bodies.isIntact(message.getBody())) {
            pairs.addAll(List.of("bad", 1));
        }
        append(isAccepted ? "got" : "refused", pairs.toArray());
    }

    private void append(String event, Object... pairs) {
        StringBuilder text = new StringBuilder("\n").append(event);
        for (int i = 0; i < pairs.length; i += 2) {
            String value = URLEncoder.encode(String.valueOf(pairs[i + 1]), StandardCharsets.UTF_8).replace("+", "%20");
            text.append(' ').append(pairs[i]).append('=').append(value);
        }
        byte[] record = text.append(" .\n").toString().getBytes(StandardCharsets.UTF_8);
        try {
            out.write(record);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
