package interop;

import org.apache.rocketmq.tools.command.MQAdminStartup;

/** Apache's mqadmin, without the two seconds that its client's idle network threads keep the process alive afterwards. */
public final class Admin {
    private Admin() {
    }

    public static void main(String[] args) {
        MQAdminStartup.main(args);
        System.exit(0);
    }
}
