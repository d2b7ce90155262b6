import type { HostFacts } from '../../../config/facts.js';

/** A machine that is the same everywhere. */
export function facts(changes: Partial<HostFacts> = {}): HostFacts {
  return {
    cores: 2,
    home: '/home/somebody',
    hostName: 'host-1',
    localAddress: '10.1.2.3',
    workingDirectory: '/work',
    rocketmqHome: '',
    namesrvAddr: '',
    ...changes,
  };
}
