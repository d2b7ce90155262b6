/**
 * `cluster-program.js DIRECTORY`: what `hangar up --config DIRECTORY` does, and faults on request. It reads lines from its
 * standard input: `crash ROLE` treats a broker or a name server like a killed process, `thread NAME` ends a whole thread.
 */
import { createInterface } from 'node:readline';
import { Cluster, readTopology, renderNote } from '../../src/index.js';

const FATAL = 3;

const loaded = readTopology(process.argv[2]!);
if (!loaded.ok) throw new Error(loaded.errors.map(renderNote).join('\n'));
const cluster = await Cluster.start({
  topology: loaded.value,
  log: (level, actor, text) => {
    if (level === 'warn' || level === 'error') console.error(`${new Date().toISOString()} ${level} ${actor}: ${text}`);
  },
  onFatal: (reason) => {
    console.error(reason);
    process.exit(FATAL);
  },
});

process.once('SIGTERM', () => {
  cluster.stop().then(
    () => process.exit(0),
    (error: Error) => {
      console.error(error);
      process.exit(FATAL);
    },
  );
});
createInterface({ input: process.stdin }).on('line', (line) => {
  const [fault, name] = line.split(' ') as [string, string];
  (fault === 'thread' ? cluster.killThread(name) : cluster.kill(name)).then(
    () => console.log(`done: ${line}`),
    (error: Error) => console.error(`${line}: ${error.stack}`),
  );
});
console.log(`hangar is ready: namesrv=${cluster.nameServers.join(';')}`);
