/** What is told once as long as it stays the same: a slave that is refused comes again every few seconds. */

/** Hosts that are remembered; the longest unheard of is forgotten first, and told again when it comes back. */
const HOSTS_MAX = 64;

/** Offsets grow while a problem stays the same. */
export function withoutNumbers(text: string): string {
  return text.replace(/\d+/g, '#');
}

export class Refusals {
  private readonly last = new Map<string, string>();

  /** True when that has not been told of this host last. */
  isNew(remote: string, why: string): boolean {
    const host = hostOf(remote);
    const kind = withoutNumbers(why);
    const isNew = this.last.get(host) !== kind;
    this.last.delete(host);
    this.last.set(host, kind);
    if (this.last.size > HOSTS_MAX) this.last.delete(this.last.keys().next().value!);
    return isNew;
  }

  /** A slave of that host follows. */
  forget(remote: string): void {
    this.last.delete(hostOf(remote));
  }
}

function hostOf(remote: string): string {
  return remote.slice(0, remote.lastIndexOf(':'));
}
