package interop;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * A body is its id, then (when a size is asked for) a colon and filler drawn from the id, which a consumer can check.
 * The Go and ali-ons programs draw the same filler.
 */
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
        int seed = 7;
        for (byte b : text) {
            seed = seed * 31 + b;
        }
        for (int i = text.length + 1; i < sizeBytes; i++) {
            seed = seed * 1103515245 + 12345;
            // 64 letters: a compressor wins a quarter at most.
            body[i] = (byte) ('0' + ((seed >>> 16) & 63));
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

    static boolean isIntact(byte[] body) {
        return Arrays.equals(body, of(idOf(body), body.length));
    }
}
