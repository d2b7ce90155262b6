/** Which host names mean this machine's listeners. */

const PREFIX_MAPPED = '::ffff:';

/** One spelling per address: `localhost`, `[::1]`, `::ffff:127.0.0.1` and the wildcards have several. */
export function normalizeHost(host: string): string {
  let name = host.toLowerCase();
  if (name.startsWith('[') && name.endsWith(']')) name = name.slice(1, -1);
  if (name.startsWith(PREFIX_MAPPED)) name = name.slice(PREFIX_MAPPED.length);
  switch (name) {
    case 'localhost':
    case '0.0.0.0':
      // Dialing the wildcard reaches the loopback address.
      return '127.0.0.1';
    case '::':
      return '::1';
    default:
      return name;
  }
}

/** The normalized hosts under which a listener bound to `host` is reached. */
export function reachableHosts(host: string, advertisedHost: string): ReadonlySet<string> {
  const isWildcard = host === '0.0.0.0' || host === '::';
  return new Set([normalizeHost(host), normalizeHost(advertisedHost), ...(isWildcard ? ['127.0.0.1', '::1'] : [])]);
}

/** An address for a host that may be a name; names that lead to ourselves are as good as the loopback address. */
export function addressOf(host: string): string {
  const name = normalizeHost(host);
  return name.includes(':') || /^\d+(\.\d+){3}$/.test(name) ? name : '127.0.0.1';
}
