/** `load all`: every scenario of the comparison against a cluster that runs already, as a table in markdown. */
import { parseArgs } from 'node:util';
import { brokersOf } from '../interop/harness/remoting.js';
import { residentBytes } from '../support/apache-proc.js';
import { dateAndMachine, type Result, single } from './report.js';
import { Generator, MIB, scenarios, warmUp } from './scenarios.js';

export async function all(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      namesrv: { type: 'string' },
      brokers: { type: 'string' },
      pid: { type: 'string' },
      seconds: { type: 'string', default: '6' },
      'warm-up': { type: 'string', default: '10' },
      load: { type: 'string' },
    },
  });
  const masters = await mastersOf(values.namesrv, values.brokers);
  const pids = values.pid === undefined ? [] : values.pid.split(',').map(Number);
  // Idle memory is that of a server which has just been started.
  const result: Result = pids.length === 0 ? {} : { idle: residentBytes(pids) / MIB };
  const generator = new Generator(values.load, { masters, pids });
  await warmUp(generator, Number(values['warm-up']));
  await scenarios(generator, Number(values.seconds), result);
  console.log(
    `${dateAndMachine()}, masters ${masters.join(' and ')}, bodies of 1 KiB, ${values.seconds} s each after ${values['warm-up']} s of mixed load\n`,
  );
  console.log(single(result));
}

async function mastersOf(namesrv: string | undefined, brokers: string | undefined): Promise<string[]> {
  if (brokers !== undefined) return brokers.split(',');
  if (namesrv === undefined) throw new Error('load all: --namesrv ADDRESS or --brokers MASTER,... is needed');
  const masters = (await brokersOf(namesrv)).filter((broker) => broker.id === 0).map((broker) => broker.address);
  if (masters.length === 0) throw new Error(`${namesrv} knows no master`);
  return masters;
}
