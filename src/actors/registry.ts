/** The definitions that threads load by name; each loads only what it hosts. */
import type { Registry } from '../runtime/thread.js';

export const registry: Registry = {
  front: async () => (await import('./front/front.js')).frontActor,
  namesrv: async () => (await import('./namesrv/namesrv.js')).namesrvActor,
  broker: async () => (await import('./broker/broker.js')).brokerActor,
  ha: async () => (await import('./ha/ha.js')).haActor,
  'queue-host': async () => (await import('./queue/queue-host.js')).queueHostActor,
};
