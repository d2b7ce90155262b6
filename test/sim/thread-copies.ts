/**
 * The actors' definitions, one copy of their code for each thread. A real worker thread has modules of its own, and
 * some keep scratch memory in module variables, which is safe there. Simulated threads run in between each other's disk
 * calls: with one copy for all, a broker that is held up while it stores a message finds the scratch of another one.
 */
import { register } from 'node:module';
import type { AnyActorDefinition } from '../../src/runtime/actor.js';

register('./copy-hooks.js', import.meta.url);

const DEFINITIONS = {
  front: ['front/front.js', 'frontActor'],
  namesrv: ['namesrv/namesrv.js', 'namesrvActor'],
  broker: ['broker/broker.js', 'brokerActor'],
  ha: ['ha/ha.js', 'haActor'],
  'queue-host': ['queue/queue-host.js', 'queueHostActor'],
} as const;

/** What a definition is called on that thread. */
export function onThread(definition: string, thread: number): string {
  return `${definition}@${thread}`;
}

const loaded = new Map<string, AnyActorDefinition>();

/** Definitions by `onThread` name. Copies are loaded once and used again by the next simulation. */
export async function definitionsFor(
  wanted: readonly { definition: string; thread: number }[],
): Promise<Record<string, AnyActorDefinition>> {
  for (const { definition, thread } of wanted) {
    const name = onThread(definition, thread);
    if (loaded.has(name)) continue;
    const [path, exported] = DEFINITIONS[definition as keyof typeof DEFINITIONS];
    const { href } = new URL(`../../src/actors/${path}?copy=${thread}`, import.meta.url);
    const module = (await import(href)) as Readonly<Record<string, AnyActorDefinition>>;
    loaded.set(name, module[exported]!);
  }
  return Object.fromEntries(loaded);
}
