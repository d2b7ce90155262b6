/**
 * Who consumes, and which messages it has to get. Messages of a producer are numbered, and their number decides what they
 * are; the producers in Java, Go and Node.js follow the same rules (SoakRules.java, soak.go, ali-ons-soak.ts).
 */

export type ClientKind = 'java' | 'go' | 'ali-ons';
export const CLIENT_KINDS: readonly ClientKind[] = ['java', 'go', 'ali-ons'];

/**
 * plain      a concurrent listener that takes everything
 * orderly    an orderly listener that suspends its queue at some messages
 * retry      refuses some messages once, and in Java and Go some for ever: they end as dead letters
 * dead       of those dead letters
 * tags       "TagA || TagB"
 * sql        kind = 'even' AND n >= 0
 * broadcast  every member gets everything
 */
export type GroupKind = 'plain' | 'orderly' | 'retry' | 'dead' | 'tags' | 'sql' | 'broadcast';

/** ali-ons has no orderly listeners, and no SQL filters that travel with the heartbeat. */
const KINDS_OF: Readonly<Record<ClientKind, readonly GroupKind[]>> = {
  java: ['plain', 'orderly', 'retry', 'dead', 'tags', 'sql', 'broadcast'],
  go: ['plain', 'orderly', 'retry', 'dead', 'tags', 'broadcast'],
  'ali-ons': ['plain', 'retry', 'tags', 'broadcast'],
};

export interface Group {
  readonly name: string;
  readonly client: ClientKind;
  readonly kind: GroupKind;
}

export function groupName(client: ClientKind, kind: GroupKind): string {
  return `soak-${client}-${kind}`;
}

export function kindsOf(client: ClientKind): readonly GroupKind[] {
  return KINDS_OF[client];
}

export function groupsOf(clients: readonly ClientKind[]): Group[] {
  return clients.flatMap((client) =>
    kindsOf(client).map((kind): Group => ({ name: groupName(client, kind), client, kind })),
  );
}

/** The number of a message, from its id `<producer>-<number>`. */
export function numberOf(id: string): number {
  return Number(id.slice(id.lastIndexOf('-') + 1));
}

/** Transactions are Java's; these are rolled back. */
export function isRolledBack(id: string): boolean {
  return id.startsWith('java') && numberOf(id) % 80 === 22;
}

/** Whether a group has to get the message, and may get it. Dead letters are counted for their group. */
export function wants(kind: GroupKind, number: number): boolean {
  switch (kind) {
    case 'tags':
      return number % 3 !== 2;
    case 'sql':
      return number % 2 === 0;
    case 'dead':
      return false;
    default:
      return true;
  }
}
