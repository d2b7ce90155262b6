/**
 * The ports of one unit, bound together or not at all: its port, VIP (port - 2), HA (port + 1). With port 0 the
 * operating system picks the first, the others follow from it.
 */
import type { Listener, Network, Socket, SocketEvents } from '../../runtime/network.js';
import { PORT_KIND } from './connection-messages.js';
import type { UnitListeners } from './options.js';

/** 0 where there is none. */
export interface Ports {
  readonly port: number;
  readonly vipPort: number;
  readonly haPort: number;
}

const VIP_OFFSET = -2;
export const HA_OFFSET = 1;
const MAX_PORT = 65_535;

export class PortGroup {
  private readonly listeners: Listener[] = [];
  private isClosed = false;

  constructor(
    private readonly network: Network,
    private readonly wanted: Pick<UnitListeners, 'host' | 'port' | 'hasVip' | 'hasHa'>,
    private readonly accept: (portKind: number, socket: Socket) => SocketEvents,
  ) {}

  /** Exactly one of the two is called, unless `close` comes first. After a failure nothing is bound. */
  bind(done: (ports: Ports) => void, failed: (portKind: number, port: number, code: string) => void): void {
    const { wanted } = this;
    const stop = (portKind: number, port: number, code: string): void => {
      this.close();
      failed(portKind, port, code);
    };
    const rest: { readonly kind: number; readonly offset: number }[] = [];
    if (wanted.hasVip) rest.push({ kind: PORT_KIND.vip, offset: VIP_OFFSET });
    if (wanted.hasHa) rest.push({ kind: PORT_KIND.ha, offset: HA_OFFSET });
    const next = (main: number, index: number): void => {
      if (index === rest.length) {
        done({
          port: main,
          vipPort: wanted.hasVip ? main + VIP_OFFSET : 0,
          haPort: wanted.hasHa ? main + HA_OFFSET : 0,
        });
        return;
      }
      const { kind, offset } = rest[index];
      this.listen(kind, main + offset, () => next(main, index + 1), stop);
    };
    this.listen(PORT_KIND.main, wanted.port, (main) => next(main, 0), stop);
  }

  close(): void {
    this.isClosed = true;
    for (const listener of this.listeners) listener.close();
    this.listeners.length = 0;
  }

  private listen(
    kind: number,
    port: number,
    done: (port: number) => void,
    failed: (portKind: number, port: number, code: string) => void,
  ): void {
    const isPossible = port > 0 || (port === 0 && kind === PORT_KIND.main);
    if (!isPossible || port > MAX_PORT) {
      // A picked port at the edge of the range is as good as one whose neighbour is taken.
      failed(kind, port, this.wanted.port === 0 ? 'EADDRINUSE' : 'ERANGE');
      return;
    }
    const listener = this.network.listen(this.wanted.host, port, {
      onListening: (bound) => {
        if (!this.isClosed) done(bound);
      },
      onFailed: (code) => {
        if (!this.isClosed) failed(kind, port, code);
      },
      onConnection: (socket) => this.accept(kind, socket),
    });
    this.listeners.push(listener);
  }
}
