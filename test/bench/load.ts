/**
 * A load generator that speaks raw remoting frames, encoded before the clock runs, so that the server and not a client
 * library is what is measured. It needs Node.js only and loads any RocketMQ broker:
 *
 *     node dist/test/bench/load.js send --conns 16 --inflight 32 --size 1024 --seconds 10     closed loop
 *     node dist/test/bench/load.js send --rate 50000                                          open loop
 *     node dist/test/bench/load.js pull --conns 8         reads everything in the topic from offset 0
 *     node dist/test/bench/load.js e2e --rate 1000        open loop into long-polling readers, send-to-arrival latency
 *
 * Prints one line of key=value figures last; what failed, by code with its first remark, goes to standard error.
 */
import { FLAGS_HELP, MODES, type Mode, readOptions } from './load/options.js';
import { runLoad } from './load/run.js';

const USAGE = `usage: load send|pull|e2e [flags]\n${FLAGS_HELP}`;

async function main([mode, ...args]: readonly string[]): Promise<void> {
  if (!MODES.includes(mode as Mode)) throw new Error(USAGE);
  const { line, notes } = await runLoad(readOptions(mode as Mode, args));
  for (const note of notes) console.error(note);
  console.log(line);
}

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
