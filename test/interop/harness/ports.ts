/**
 * Free ports for servers that cannot bind port 0, because other ports are derived from theirs.
 * They are drawn below the range that Linux uses for outgoing connections (32768 and up), so that no client takes one
 * between the look and the bind.
 */
import { createServer } from 'node:net';

const LOWEST = 20_000;
const HIGHEST = 32_000;
const ATTEMPTS = 200;

/** A base port in a range for which every `base + offset` is free, for instance [-2, 0, 1] for a broker. */
export async function freePort(
  offsets: readonly number[] = [0],
  [lowest, highest]: readonly [lowest: number, highest: number] = [LOWEST, HIGHEST],
): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const base = lowest + Math.floor(Math.random() * (highest - lowest));
    const free = await Promise.all(offsets.map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
  throw new Error(`no free ports between ${lowest} and ${highest} in ${ATTEMPTS} attempts`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    // Apache's servers listen on every address.
    server.listen({ port, host: '0.0.0.0', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
