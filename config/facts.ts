/**
 * What the defaults of some settings depend on. A parameter of every loader, so that tests and the simulation choose it;
 * `hostFacts` looks at the real machine.
 */
import { existsSync } from 'node:fs';
import { availableParallelism, homedir, hostname, type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

export interface HostFacts {
  readonly cores: number;
  readonly home: string;
  readonly hostName: string;
  /** The address that Apache would advertise; see `chooseLocalAddress`. */
  readonly localAddress: string;
  /** Directory that relative paths of a file are resolved against. */
  readonly workingDirectory: string;
  /** Environment variables ROCKETMQ_HOME and NAMESRV_ADDR; empty when unset. */
  readonly rocketmqHome: string;
  readonly namesrvAddr: string;
}

/**
 * Memory of the machine, or of the container (cgroup) if that is less, as a JVM sees it: what is "in memory" follows from
 * it. `limitBytes` is that of process.constrainedMemory(): 0, nothing or a huge number when there is none.
 */
export function usableMemoryBytes(totalBytes: number, limitBytes: number | undefined): number {
  return limitBytes === undefined || limitBytes <= 0 ? totalBytes : Math.min(totalBytes, limitBytes);
}

export function hostFacts(): HostFacts {
  return {
    cores: availableParallelism(),
    home: homedir(),
    hostName: hostname(),
    localAddress: chooseLocalAddress(networkInterfaces(), (name) => existsSync(`/sys/class/net/${name}/bridge`)),
    workingDirectory: process.cwd(),
    rocketmqHome: process.env.ROCKETMQ_HOME ?? '',
    namesrvAddr: process.env.NAMESRV_ADDR ?? '',
  };
}

/**
 * The first IPv4 address that is neither loopback nor 192.168.*, else the last IPv4 address, else the first IPv6 address in
 * brackets; bridges (docker0) do not count. Source: RemotingUtil.getLocalAddress. A host without any of them gets 127.0.0.1.
 */
export function chooseLocalAddress(
  interfaces: { readonly [name: string]: readonly NetworkInterfaceInfo[] | undefined },
  isBridge: (name: string) => boolean,
): string {
  const addresses = Object.keys(interfaces)
    .filter((name) => !isBridge(name))
    .flatMap((name) => interfaces[name] ?? [])
    .filter((address) => !address.internal);
  const ipv4 = addresses.filter((address) => address.family === 'IPv4').map((address) => address.address);
  const ipv6 = addresses.filter((address) => address.family === 'IPv6').map((address) => `[${address.address}]`);
  return ipv4.find((address) => !address.startsWith('192.168.')) ?? ipv4.at(-1) ?? ipv6[0] ?? '127.0.0.1';
}
