/**
 * A load generator that speaks raw remoting frames, encoded before the clock runs, so that the server and not a client
 * library is what is measured. It needs Node.js only and loads any RocketMQ broker:
 *
 *     node dist/test/bench/load.js send --conns 16 --inflight 32 --size 1024 --seconds 10     closed loop
 *     node dist/test/bench/load.js send --rate 50000                                          open loop
 *     node dist/test/bench/load.js pull --conns 8         reads everything in the topic from offset 0
 *     node dist/test/bench/load.js e2e --rate 1000        open loop into long-polling readers, send-to-arrival latency
 *     node dist/test/bench/load.js live --groups 50       the same for consumer groups that all read the whole topic
 *     node dist/test/bench/load.js all --namesrv 127.0.0.1:9876     these, in the scenarios of docs/benchmarks.md
 *     node dist/test/bench/load.js start-up                         time to ready and idle memory of Hangar
 *     node dist/test/bench/load.js delay                            how late delayed messages are
 *     node dist/test/bench/load.js groups                           CPU a delivered message: 50 groups against one
 *
 * The first four print one line of key=value figures last; what failed, by code with its first remark, goes to standard
 * error. The others print a table in markdown.
 */
import { FLAGS_HELP, MODES, type Mode, readOptions } from './load/options.js';
import { runLoad } from './load/run.js';

const USAGE = `usage: load send|pull|e2e|live [flags]
${FLAGS_HELP}

load all --namesrv ADDRESS | --brokers MASTER,...  [flags]
  --pid            the server's process id, several joined by commas: measures memory and CPU, on Linux
  --seconds        measured time of each scenario (6)
  --warm-up        mixed load before, not counted (10)
  --load           another generator with the same flags, instead of this one

load start-up [flags]
  --times          starts of each kind, of which the median counts (5)
  --idle-seconds   from "ready" to reading the memory (5)

load delay         how late delayed messages are; starts the broker itself, on Linux
  --pending        messages of one level (100000)
  --rate           other sends per second meanwhile (5000)
  --makers         hangar, apache or both, joined by a comma (hangar)

load groups        what a delivered message costs when many groups read a topic live; starts the broker itself, on Linux
  --groups         as many against one (50)
  --rate           messages per second (200)
  --seconds        measured time of each case (6)
  --rounds         of which the median counts (3)
  --makers         hangar, apache or both, joined by a comma (hangar)`;

async function main([mode, ...args]: readonly string[]): Promise<void> {
  // Only these need Linux and a Hangar beside them.
  if (mode === 'all') return await (await import('./all.js')).all(args);
  if (mode === 'start-up') return await (await import('./start-up.js')).startUp(args);
  if (mode === 'delay') return await (await import('./delay.js')).delay(args);
  if (mode === 'groups') return await (await import('./groups.js')).groups(args);
  if (!MODES.includes(mode as Mode)) throw new Error(USAGE);
  const { line, notes } = await runLoad(readOptions(mode as Mode, args));
  for (const note of notes) console.error(note);
  console.log(line);
}

main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 1;
});
