/**
 * Hosts as records and message ids hold them: the bytes of an IP address (4 or 16) and a 4-byte port, big-endian.
 * Source: MessageExt.socketAddress2ByteBuffer.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { invariant } from '../base/invariant.js';

export const HOST_V4_BYTES = 8;
export const HOST_V6_BYTES = 20;

/** 'a.b.c.d', 'x:y::z' or '[x:y::z]' and a port -> 8 or 20 bytes; undefined when it is no IP address or no port. */
export function encodeHost(address: string, port: number): Uint8Array | undefined {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) return undefined;
  const ip = encodeIp(address);
  if (ip === undefined) return undefined;
  const host = new Uint8Array(ip.length + 4);
  host.set(ip);
  new DataView(host.buffer).setInt32(ip.length, port);
  return host;
}

/** 'a.b.c.d:port' or '[x:y::z]:port' -> 8 or 20 bytes. */
export function encodeHostAndPort(text: string): Uint8Array | undefined {
  const colon = text.lastIndexOf(':');
  const port = text.slice(colon + 1);
  if (colon < 0 || !/^\d{1,5}$/.test(port)) return undefined;
  return encodeHost(text.slice(0, colon), Number(port));
}

/** Bytes of an IP address. IPv4-mapped IPv6 addresses (::ffff:a.b.c.d) are IPv4, as in Java. */
export function encodeIp(address: string): Uint8Array | undefined {
  const text = address.startsWith('[') && address.endsWith(']') ? address.slice(1, -1) : address;
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number);
  const zone = text.indexOf('%');
  const plain = zone < 0 ? text : text.slice(0, zone);
  if (!isIPv6(plain)) return undefined;
  const groups = expandIpv6(plain);
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  groups.forEach((group, i) => {
    view.setUint16(2 * i, group);
  });
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  return isMapped ? bytes.slice(12) : bytes;
}

/** The eight groups of a valid IPv6 address. */
function expandIpv6(text: string): number[] {
  const [head = '', tail] = text.split('::');
  const left = parseGroups(head);
  if (tail === undefined) return left;
  const right = parseGroups(tail);
  return [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
}

function parseGroups(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [(a << 8) | b, (c << 8) | d];
  });
}

/** Text of the address in `bytes[at, at + hostBytes - 4)`: 'a.b.c.d', or the shortest form of IPv6. */
export function ipText(bytes: Uint8Array, at: number, hostBytes: number): string {
  invariant(hostBytes === HOST_V4_BYTES || hostBytes === HOST_V6_BYTES, 'bytes of a host', hostBytes);
  if (hostBytes === HOST_V4_BYTES) return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[at + 2 * i]! << 8) | bytes[at + 2 * i + 1]!);
  return shortestIpv6(groups);
}

/** RFC 5952: the longest run of at least two zero groups becomes '::'. */
function shortestIpv6(groups: readonly number[]): string {
  let bestAt = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; ) {
    let run = 0;
    while (i + run < 8 && groups[i + run] === 0) run++;
    if (run > bestLength) {
      bestAt = i;
      bestLength = run;
    }
    i += run + 1;
  }
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  return bestAt < 0 ? hex(groups) : `${hex(groups.slice(0, bestAt))}::${hex(groups.slice(bestAt + bestLength))}`;
}

/** The 4-byte port after the address. */
export function hostPort(bytes: Uint8Array, at: number, hostBytes: number): number {
  const portAt = at + hostBytes - 4;
  return (bytes[portAt]! << 24) | (bytes[portAt + 1]! << 16) | (bytes[portAt + 2]! << 8) | bytes[portAt + 3]!;
}

/** 'a.b.c.d:port' or '[x:y::z]:port'. */
export function hostText(bytes: Uint8Array, at: number, hostBytes: number): string {
  const ip = ipText(bytes, at, hostBytes);
  return `${hostBytes === HOST_V6_BYTES ? `[${ip}]` : ip}:${hostPort(bytes, at, hostBytes)}`;
}
