package interop;

/** What clients of every version can: {@code Basic produce|push key=value ...}. Compiled with other versions, too. */
public final class Basic {
    private Basic() {
    }

    public static void main(String[] args) {
        try {
            Options options = new Options(args, 1);
            Report report = new Report();
            switch (args[0]) {
                case "produce" -> Produce.run(options, report);
                case "push" -> PushConsume.run(options, report);
                default -> throw new IllegalArgumentException("unknown command " + args[0]);
            }
            options.refuseUnused();
        } catch (Throwable e) {
            e.printStackTrace();
            System.exit(1);
        }
        System.exit(0);
    }
}
