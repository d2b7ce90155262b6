#!/usr/bin/env node
/** `hangar`: argument parsing only. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { hangarBrokerSettings } from '../config/hangar-settings.js';
import { TOPOLOGY_NAMES } from '../config/topology.js';
import { broker, namesrv, up } from './commands.js';
import { type CatArguments, cat, check } from './store-commands.js';
import { packageVersion } from './version.js';

function port(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 65_535) throw new InvalidArgumentError('a port is 0 to 65535.');
  return value;
}

function offset(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || Math.abs(value) > 65_535) throw new InvalidArgumentError('an integer is expected.');
  return value;
}

function bytes(text: string): number {
  const { parse, allowed } = hangarBrokerSettings.storeMaxBytes;
  const value = parse(text, { workingDirectory: '' });
  if (value === undefined) throw new InvalidArgumentError(`${allowed} is expected.`);
  return value;
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a number from 0 on is expected.');
  return value;
}

function time(text: string): number {
  const value = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  if (!Number.isFinite(value))
    throw new InvalidArgumentError('2026-01-31T12:00:00Z or ms since the epoch is expected.');
  return value;
}

const program = new Command('hangar')
  .description('A whole RocketMQ cluster in one Node.js process')
  .version(packageVersion())
  .showHelpAfterError('(hangar --help says more)')
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'hangar: ')) })
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

program
  .command('up')
  .description('start name servers and brokers in one process')
  .addOption(new Option('--topology <name>', 'a packaged topology').choices(TOPOLOGY_NAMES).default('2m-2s-sync'))
  .addOption(
    new Option('--config <directory>', 'a directory of .properties files, one a role, instead of --topology').conflicts(
      'topology',
    ),
  )
  .option('--store <directory>', 'where the stores of all roles are (default: ./hangar-store)')
  .option('--store-max-bytes <size>', 'most bytes of messages that each broker keeps, such as 2g', bytes)
  .option('--memory', 'keep everything in memory, 256m a broker if not said otherwise, and leave nothing behind')
  .option('--port-offset <n>', 'added to every port', offset)
  .option('--ephemeral', 'free ports instead of the configured ones')
  .option('--host <address>', 'address to bind')
  .option('--advertise <address>', 'address to tell clients')
  .option('--metrics-port <port>', 'HTTP port of /metrics and /healthz', port)
  .option('--fresh', 'start with empty stores')
  .action(up);

program
  .command('namesrv')
  .description("start one name server with Apache's own .properties file")
  .requiredOption('-c <file>', 'configuration file')
  .action(({ c }: { c: string }) => namesrv(c));

program
  .command('broker')
  .description("start one broker with Apache's own .properties file")
  .requiredOption('-c <file>', 'configuration file')
  .action(({ c }: { c: string }) => broker(c));

const store = program.command('store').description('look into a store directory; nothing is changed');

store
  .command('check')
  .description('verify a store that no broker has open; exit code 0: good, 1: damaged, 2: could not be checked')
  .argument('<directory>', 'the store (storePathRootDir)')
  .option('--config <file>', "the broker's .properties file: its file sizes, delay levels and commit log directory")
  .option('--json', 'a JSON object a line')
  .action(check);

store
  .command('cat')
  .description(
    'print the records of a commit log in the order they were stored; works beside a broker, and on damaged logs',
  )
  .argument('<directory>', 'the store, or a directory of commit log files')
  .option('--topic <topic>', 'only of this topic')
  .option('--queue <id>', 'only of queues with this id', count)
  .option('--from <offset>', 'begin at this commit log offset; with --queue: at this offset of the queue', count)
  .option('--key <key>', 'only with this key: UNIQ_KEY, or one of KEYS')
  .option('--since <time>', 'only stored at this time or later: ISO 8601, or ms since the epoch', time)
  .option('--limit <n>', 'at most so many', count)
  .option('--json', 'a JSON object a line')
  .option('--body', 'with the body')
  .action((directory: string, options: CatOptions) => cat(directory, filterOf(options)));

interface CatOptions extends Omit<CatArguments, 'queueId' | 'sinceMs'> {
  readonly queue?: number;
  readonly since?: number;
}

function filterOf({ queue, since, ...rest }: CatOptions): CatArguments {
  return {
    ...rest,
    ...(queue === undefined ? {} : { queueId: queue }),
    ...(since === undefined ? {} : { sinceMs: since }),
  };
}

await program.parseAsync();
