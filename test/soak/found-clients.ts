/** The clients that this machine has; ali-ons comes with the development packages. */
import { aliOnsClient, type Client, goClient, javaClient } from '../interop/harness/programs.js';
import type { ClientKind } from './groups.js';

export interface FoundClients {
  readonly clients: ReadonlyMap<ClientKind, Client>;
  /** Why others are left out. */
  readonly missing: readonly string[];
}

export async function findClients(wanted: readonly ClientKind[]): Promise<FoundClients> {
  const clients = new Map<ClientKind, Client>();
  const missing: string[] = [];
  for (const kind of wanted) {
    const found = kind === 'ali-ons' ? { client: aliOnsClient() } : await (kind === 'java' ? javaClient() : goClient());
    if (found.missing === undefined) clients.set(kind, found.client);
    else missing.push(`${kind}: ${found.missing}`);
  }
  return { clients, missing };
}
