package interop;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** A body is its id, then (when a size is asked for) a colon and filler that a compressor cannot fold into nothing. */
final class Bodies {
    private Bodies() {
    }

    static byte[] of(String id, int sizeBytes) {
        byte[] text = id.getBytes(StandardCharsets.UTF_8);
        if (sizeBytes <= text.length) {
            return text;
        }
        byte[] body = Arrays.copyOf(text, sizeBytes);
        body[text.length] = ':';
        int seed = id.hashCode();
        for (int i = text.length + 1; i < sizeBytes; i++) {
            seed = seed * 1103515245 + 12345;
            body[i] = (byte) ('a' + ((seed >>> 16) & 15));
        }
        return body;
    }

    static String idOf(byte[] body) {
        int end = 0;
        while (end < body.length && body[end] != ':') {
            end++;
        }
        return new String(body, 0, end, StandardCharsets.UTF_8);
    }
}
