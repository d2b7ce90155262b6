package interop;

import org.apache.rocketmq.common.message.Message;

/** What a message of the soak is follows from its number; test/soak/groups.ts, soak.go and ali-ons-soak.ts have the same rules. */
final class SoakRules {
    private static final String[] TAGS = {"TagA", "TagB", "TagC"};
    private static final int DELAY_LEVEL = 2;

    private SoakRules() {
    }

    static Message message(String topic, String id) {
        int n = numberOf(id);
        Message message = new Message(topic, Bodies.of(id, n % 50 == 20 ? 8_000 : n * 37 % 1_500));
        message.setTags(TAGS[n % 3]);
        message.putUserProperty("n", Integer.toString(n));
        message.putUserProperty("kind", n % 2 == 0 ? "even" : "odd");
        if (isDelayed(n)) {
            message.setDelayTimeLevel(DELAY_LEVEL);
        }
        return message;
    }

    /** -1 for what no producer sent; the judge tells. */
    static int numberOf(String id) {
        String number = id.substring(id.lastIndexOf('-') + 1);
        return number.matches("\\d{1,9}") ? Integer.parseInt(number) : -1;
    }

    static boolean isDelayed(int n) {
        return n % 20 == 9;
    }

    /** The first of four that are sent together. */
    static boolean opensBatch(int n) {
        return n % 40 == 30;
    }

    static boolean isTransaction(int n) {
        return n % 40 == 22;
    }

    static boolean isRolledBack(int n) {
        return n % 80 == 22;
    }

    /** Refused by the retry group the first time. */
    static boolean isRefusedOnce(int n) {
        return n % 10 == 3;
    }

    /** Refused by the retry group for ever. */
    static boolean isPoison(int n) {
        return n % 30 == 7;
    }

    /** Where an orderly member suspends its queue when it sees it first. */
    static boolean suspends(int n) {
        return n % 40 == 11;
    }
}
