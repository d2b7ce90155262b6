/** Who comes to show which delivery guarantee, to what kind of cluster. */
import { prng, type Prng } from '../../src/base/prng.js';
import { FILTER_SETTINGS, inviteFilterers } from './guests/filterer.js';
import type { Guest, Invite } from './guests/guest.js';
import { inviteInquirers } from './guests/inquirer.js';
import { inviteOrderly } from './guests/orderly.js';
import { inviteRebalance } from './guests/rebalance.js';
import { inviteRequesters } from './guests/requester.js';
import { inviteResetters } from './guests/resetter.js';
import { inviteRetriers, RETRY_SETTINGS } from './guests/retrier.js';
import { inviteTransactors, TRANSACTION_SETTINGS } from './guests/transactor.js';
import { type Report, runCluster, type Wishes } from './run-cluster.js';
import type { World } from './world.js';

interface Guarantee {
  readonly wishes: Wishes;
  /** What must have been counted at least once, or the seed has shown nothing. */
  readonly shows: string;
  /** What is acknowledged is synced and on the slave, so that the machine may lose its power. */
  readonly bearsPowerLoss: boolean;
}

const INVITES: readonly Invite[] = [
  inviteTransactors,
  inviteOrderly,
  inviteRebalance,
  inviteRetriers,
  inviteFilterers,
  inviteResetters,
  inviteRequesters,
  inviteInquirers,
];
const TOGETHER = 3;

/** Different ones in one cluster. */
function inviteSome(world: World, random: Prng): readonly Guest[] {
  const left = [...INVITES];
  const invited = Array.from({ length: TOGETHER }, () => left.splice(random.below(left.length), 1)[0]!);
  return invited.flatMap((invite) => invite(world, random));
}

export const GUARANTEES = {
  transactions: {
    wishes: { shape: { settings: TRANSACTION_SETTINGS }, guests: { invite: inviteTransactors, withProducers: false } },
    shows: 'committed in peace',
    bearsPowerLoss: true,
  },
  orderly: {
    wishes: { guests: { invite: inviteOrderly, withProducers: false } },
    shows: 'handled in order',
    bearsPowerLoss: false,
  },
  rebalance: {
    wishes: { guests: { invite: inviteRebalance, withProducers: false } },
    shows: 'rebalanced after close',
    bearsPowerLoss: false,
  },
  retries: {
    wishes: { shape: { settings: RETRY_SETTINGS }, guests: { invite: inviteRetriers, withProducers: false } },
    shows: 'retry',
    bearsPowerLoss: false,
  },
  filters: {
    wishes: { shape: { settings: FILTER_SETTINGS }, guests: { invite: inviteFilterers, withProducers: false } },
    shows: 'pull by filter',
    bearsPowerLoss: false,
  },
  resets: {
    wishes: { guests: { invite: inviteResetters, withProducers: false } },
    shows: 'replayed',
    bearsPowerLoss: false,
  },
  requests: {
    wishes: { guests: { invite: inviteRequesters, withProducers: false } },
    shows: 'replied',
    bearsPowerLoss: false,
  },
  questions: {
    wishes: { guests: { invite: inviteInquirers, withProducers: true } },
    shows: 'found at slave',
    bearsPowerLoss: false,
  },
  together: {
    wishes: {
      shape: { settings: `${TRANSACTION_SETTINGS}\n${FILTER_SETTINGS}` },
      guests: { invite: inviteSome, withProducers: true },
    },
    shows: 'fed 0',
    bearsPowerLoss: false,
  },
} as const satisfies Readonly<Record<string, Guarantee>>;

export type GuaranteeName = keyof typeof GUARANTEES;

const POWER_LOSS_ODDS = 0.3;
/** So that the seed of the simulation is not drawn from twice. */
const OWN_DRAWS = 0x5eed;

export function runGuarantee(name: GuaranteeName, seed: number): Promise<Report> {
  const { wishes, bearsPowerLoss }: Guarantee = GUARANTEES[name];
  const losesPower = bearsPowerLoss && prng(seed ^ OWN_DRAWS).chance(POWER_LOSS_ODDS);
  if (!losesPower) return runCluster(seed, wishes);
  return runCluster(seed, {
    ...wishes,
    shape: { ...wishes.shape, flush: 'SYNC_FLUSH', replication: 'SYNC_MASTER' },
    moreFaults: ['powerLoss'],
  });
}
