package interop;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** The key=value arguments of a program. A key that the program never asked for is a mistake of the test and refused. */
final class Options {
    private final Map<String, String> values = new LinkedHashMap<>();
    private final Set<String> asked = new HashSet<>();

    Options(String[] args, int from) {
        for (int i = from; i < args.length; i++) {
            int equals = args[i].indexOf('=');
            if (equals <= 0) {
                throw new IllegalArgumentException("expected key=value, found " + args[i]);
            }
            values.put(args[i].substring(0, equals), args[i].substring(equals + 1));
        }
    }

    String need(String key) {
        String value = text(key, null);
        if (value == null) {
            throw new IllegalArgumentException("option " + key + " is required");
        }
        return value;
    }

    String text(String key, String byDefault) {
        asked.add(key);
        return values.getOrDefault(key, byDefault);
    }

    int number(String key, int byDefault) {
        String value = text(key, null);
        return value == null ? byDefault : Integer.parseInt(value);
    }

    long millis(String key, long byDefault) {
        String value = text(key, null);
        return value == null ? byDefault : Long.parseLong(value);
    }

    boolean flag(String key) {
        return "true".equals(text(key, "false"));
    }

    void refuseUnused() {
        Set<String> unused = new HashSet<>(values.keySet());
        unused.removeAll(asked);
        if (!unused.isEmpty()) {
            throw new IllegalArgumentException("options that this program does not have: " + unused);
        }
    }
}
