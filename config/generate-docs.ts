/**
 * Writes docs/configuration.md from the tables: `node dist/config/generate-docs.js`. With --check it writes nothing and ends with
 * code 1 when the file is not what the tables say.
 */
import { readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageDirectory } from './read-file.js';
import { type Group, groups } from './schema.js';
import type { Setting } from './setting.js';

export const DOCUMENT_PATH = 'docs/configuration.md';

export function renderDocument(): string {
  return [INTRODUCTION, ...groups.map(renderGroup)].join('\n');
}

const INTRODUCTION = `# Configuration

This file is generated from the tables in \`config/*-settings.ts\` (\`node dist/config/generate-docs.js\`); do not edit it.

Hangar reads Apache RocketMQ's own .properties files, with Apache's keys and defaults (4.9.7). Keys of its own are ignored by Apache,
so one file serves both.

## Which files

| command | files |
|---|---|
| \`hangar up\` | the topology \`2m-2s-sync\` of the package; \`--topology NAME\` takes \`2m-2s-async\`, \`2m-noslave\` or \`single\` |
| \`hangar up --config DIR\` | every \`*.properties\` file in DIR: \`namesrv*\` are name servers, \`hangar\` is the process, all others are brokers |
| \`hangar namesrv -c FILE\` | one name server |
| \`hangar broker -c FILE\` | one broker, master or slave |

The name of a file is the name of its role. Copy a directory from \`config/\` to start a topology of your own.

## What counts

From strongest to weakest:

1. the command line: \`--store DIR\` (every role in \`DIR/<role>\`), \`--store-max-bytes N\` (of every broker), \`--port-offset N\` (moves every port, HTTP included),
   \`--ephemeral\` (every port is any free one), \`--host\` (listen there), \`--advertise\` (tell clients and slaves this address),
   \`--metrics-port\` (not moved by \`--port-offset\`);
2. the file;
3. with \`hangar up\`: \`127.0.0.1\` to listen at and to advertise, \`./hangar-store/<role>\` for files, the topology's name servers for
   its brokers, 5557 for HTTP;
4. the default in the tables below.

Where a key is repeated, its last line counts. \`mapedFileSizeCommitLog\` and \`mapedFileSizeConsumeQueue\`, as many guides spell them, are
taken as \`mappedFileSizeCommitLog\` and \`mappedFileSizeConsumeQueue\`; where both are given, the latter counts. Apache since 4.5.2
ignores the former.

## Format and errors

Java's .properties format: \`key=value\` (or \`:\`, or a blank), comments after \`#\` or \`!\`, a backslash at the end of a line continues it,
\`\\uXXXX\` is a character. Files are UTF-8 (ISO 8859-1 when they are not), at most 1 MiB. Blanks at the end of a value are left out, with a warning (Apache keeps them, and
then uses the default in place of a number).

A wrong value stops the start. All errors of all files are printed, each with file, line, key, value and what is allowed:

    broker-a.properties:5: brokerRole=MASTER: allowed: ASYNC_MASTER, SYNC_MASTER or SLAVE

A key that nobody knows is a warning that names the nearest known one. The column "effect" says what a known one does:

- **effective**: what the meaning says.
- **no effect**: read and checked, listed at start when it is set, and otherwise ignored, because of the reason given. "comes with ..." means
  that a later version will make it effective.
- **refused**: the values named would silently break a promise, so they stop the start. Other values are fine.

Keys marked **live** can be changed at run time with \`mqadmin updateBrokerConfig\` or \`updateNamesrvConfig\`; an update of another key is written to
the file and holds from the next start on. Updates of a topology of the package hold until the process ends: the package's files are never
written.
`;

function renderGroup({ title, origin, files, table }: Group): string {
  const rows = Object.entries(table).map(([key, setting]) => renderRow(key, setting));
  const head = '| key | type | default | unit | allowed | effect | meaning |\n|---|---|---|---|---|---|---|';
  return `## ${title}\n\nFrom: ${origin}. May stand in the files of: ${files}.\n\n${head}\n${rows.join('\n')}\n`;
}

function renderRow(key: string, setting: Setting<unknown>): string {
  const names = [
    `\`${key}\``,
    ...(setting.alias === undefined ? [] : [`or \`${setting.alias}\``]),
    ...(setting.since === '' ? [] : [`since ${setting.since}`]),
    ...(setting.live ? ['**live**'] : []),
  ];
  const initial = setting.initial.text === '' ? 'empty' : setting.initial.text;
  const cells = [
    names.join(', '),
    setting.type,
    initial,
    setting.unit,
    setting.allowed,
    effectOf(setting),
    setting.meaning,
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function effectOf({ effect }: Setting<unknown>): string {
  if (effect.kind === 'effective') return 'effective';
  if (effect.kind === 'accepted') return `no effect: ${effect.because}`;
  return `refused (${effect.values}): ${effect.because}`;
}

function main(options: readonly string[]): void {
  const path = join(packageDirectory(), DOCUMENT_PATH);
  const document = renderDocument();
  if (!options.includes('--check')) {
    writeFileSync(path, document);
  } else if (readFileSync(path, 'utf8') !== document) {
    process.stderr.write(`${DOCUMENT_PATH} is stale: run node dist/config/generate-docs.js\n`);
    process.exitCode = 1;
  }
}

const invoked = process.argv[1];
if (invoked !== undefined && realpathSync(invoked) === fileURLToPath(import.meta.url)) main(process.argv.slice(2));
