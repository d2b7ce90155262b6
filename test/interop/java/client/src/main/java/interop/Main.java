package interop;

/**
 * Small programs on Apache's Java client, one per subject: {@code Main COMMAND key=value ...}.
 * Each prints machine-readable lines (see Report) and exits with 0 when it came to an end of its own,
 * whatever it saw: the test that started it judges the lines.
 */
public final class Main {
    private Main() {
    }

    public static void main(String[] args) {
        if (args.length == 0) {
            System.err.println("usage: Main produce|push|pull|lite|offsets|transaction|request|query|rebalance|soak-produce|soak-consume key=value ...");
            System.exit(64);
        }
        try {
            run(args[0], new Options(args, 1));
        } catch (Throwable e) {
            e.printStackTrace();
            System.exit(1);
        }
        // The client leaves threads behind that are not daemons.
        System.exit(0);
    }

    private static void run(String command, Options options) throws Exception {
        Report report = new Report();
        switch (command) {
            case "produce" -> Produce.run(options, report);
            case "push" -> PushConsume.run(options, report);
            case "pull" -> PullConsume.run(options, report);
            case "lite" -> LitePullConsume.run(options, report);
            case "offsets" -> Offsets.run(options, report);
            case "transaction" -> Transactions.run(options, report);
            case "request" -> RequestReply.run(options, report);
            case "query" -> Queries.run(options, report);
            case "rebalance" -> Rebalance.run(options, report);
            case "soak-produce" -> SoakProduce.run(options, report);
            case "soak-consume" -> SoakConsume.run(options, report);
            default -> throw new IllegalArgumentException("unknown command " + command);
        }
        options.refuseUnused();
    }
}
