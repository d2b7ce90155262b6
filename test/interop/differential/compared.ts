/** Runs parts with the servers of both makers at once, and says where they differ. */
import { startApacheBroker, startApacheNamesrv } from '../../support/apache.js';
import { hangarServers } from '../../support/hangar.js';
import type { Use } from '../harness/interop-suite.js';
import { differences, unintended } from './compare.js';
import type { Part } from './part.js';
import { type Outcome, Script, type Servers } from './script.js';

export type Maker = Pick<typeof hangarServers, 'startNamesrv' | 'startBroker'>;

/** Apache's first. */
export const MAKERS: readonly [Maker, Maker] = [
  { startNamesrv: startApacheNamesrv, startBroker: startApacheBroker },
  hangarServers,
];

/** Of all brokers: a busy machine must not make one refuse. */
export const PATIENT = { brokerFastFailureEnable: 'false', osPageCacheBusyTimeOutMills: '60000' } as const;

/** A name server and a broker with these settings. */
export async function startOne(
  use: Use,
  { startNamesrv, startBroker }: Maker,
  properties: Readonly<Record<string, string>>,
): Promise<Servers> {
  const { address: namesrv } = await use(startNamesrv());
  const { broker } = await use(startBroker({ name: 'broker-a', namesrv, properties: { ...PATIENT, ...properties } }));
  const [host, port] = broker.address.split(':');
  return { namesrv, broker: broker.address, vip: `${host}:${Number(port) - 2}` };
}

export interface Compared {
  readonly cases: number;
  /** A line for each difference that is not meant. */
  readonly problems: readonly string[];
}

/** One part after the other. */
export async function compareParts(
  parts: readonly Part[],
  [apache, ours]: readonly [Servers, Servers],
): Promise<Compared> {
  const problems: string[] = [];
  let cases = 0;
  for (const part of parts) {
    const [theirs, own] = await Promise.all([outcomesOf(part, apache), outcomesOf(part, ours)]);
    cases += theirs.length;
    const found = unintended(differences(theirs, own), part.intended);
    problems.push(...found.map((problem) => `${part.name}: ${problem}`));
  }
  return { cases, problems };
}

async function outcomesOf(part: Part, servers: Servers): Promise<readonly Outcome[]> {
  const script = await Script.open(servers);
  try {
    await part.run(script);
    return script.outcomes;
  } finally {
    script.close();
  }
}
