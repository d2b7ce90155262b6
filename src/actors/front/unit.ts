/** One unit's listeners, its bound ports, and what its connections have in common. */
import { invariant } from '../../base/invariant.js';
import type { ActorId, Context } from '../../runtime/actor.js';
import type { Socket, SocketEvents } from '../../runtime/network.js';
import type { Timer } from '../../runtime/timers.js';
import { connectionMessages, PORT_KIND } from './connection-messages.js';
import { bindFailure } from './bind-failure.js';
import type { UnitCounters } from './counters.js';
import type { InputBudget } from './input-budget.js';
import type { UnitListeners } from './options.js';
import { normalizeHost, reachableHosts } from './hosts.js';
import { HA_OFFSET, PortGroup, type Ports } from './port-group.js';
import type { QuietLog } from './quiet-log.js';

/** Tries to find a free port whose neighbours are free too. */
const EPHEMERAL_TRIES = 50;
/** How long to wait between tries to get a port back that the unit had before its restart. */
const REBIND_MS = 250;
const CODES = 1024;

/** Takes a connection that came in by one of the unit's ports. */
export type Accept = (portKind: number, socket: Socket) => SocketEvents;

export class Unit {
  /** Actors that get the frames whose code `isQueueCode`; empty for name servers. */
  readonly hosts: readonly ActorId[];
  /** What is bound; undefined while the unit does not listen. */
  ports: Ports | undefined;
  private readonly queueCodes = new Uint8Array(CODES);
  private group: PortGroup | undefined;
  private retry: Timer | undefined;
  /** What was bound before: after a restart the unit has to be where its clients know it. */
  private knownPort: number;
  private wasBound = false;
  private readonly reachableAs: ReadonlySet<string>;

  constructor(
    readonly options: UnitListeners,
    readonly counters: UnitCounters,
    readonly budget: InputBudget,
  ) {
    invariant(!options.hasHa || options.haActor >= 0, 'an HA port needs an HA actor', options.role);
    this.hosts = options.queueHosts;
    this.knownPort = options.port;
    for (const code of options.queueCodes) this.queueCodes[code] = 1;
    this.reachableAs = reachableHosts(options.host, options.advertisedHost);
  }

  isQueueCode(code: number): boolean {
    return code >= 0 && code < CODES && this.queueCodes[code] === 1;
  }

  /** Binds, then tells the unit's actor and the supervisor. A port that cannot be had at the first start is an error. */
  open(context: Context, log: QuietLog, accept: Accept): void {
    if (this.group === undefined && this.retry === undefined) this.bind(context, log, accept, 1);
  }

  /** Stops listening. Open connections are the caller's to close. */
  close(): void {
    this.retry?.cancel();
    this.retry = undefined;
    this.group?.close();
    this.group = undefined;
    this.ports = undefined;
  }

  /** Stops accepting, but stays known for dials from inside the process. */
  stopAccepting(): void {
    this.retry?.cancel();
    this.group?.close();
  }

  /** Which of the unit's ports (PORT_KIND) a dial to this address would reach, or -1. */
  portKindAt(host: string, port: number): number {
    const { ports } = this;
    if (ports === undefined || port === 0 || !this.reachableAs.has(normalizeHost(host))) return -1;
    if (port === ports.port) return PORT_KIND.main;
    if (port === ports.vipPort) return PORT_KIND.vip;
    return port === ports.haPort ? PORT_KIND.ha : -1;
  }

  /** True while the unit's own replication port, which that address is, is on its way to be bound again. */
  isBindingHa(host: string, port: number): boolean {
    const { options, group, ports, knownPort } = this;
    const isBinding = options.hasHa && group !== undefined && ports === undefined && knownPort > 0;
    return isBinding && port === knownPort + HA_OFFSET && this.reachableAs.has(normalizeHost(host));
  }

  private bind(context: Context, log: QuietLog, accept: Accept, tries: number): void {
    const { options } = this;
    const again = (delayMs: number): void => {
      this.group = undefined;
      this.retry = context.after(delayMs, () => {
        this.retry = undefined;
        this.bind(context, log, accept, tries + 1);
      });
    };
    this.group = new PortGroup(context.network, { ...options, port: this.knownPort }, accept);
    this.group.bind(
      (ports) => this.bound(context, ports),
      (portKind, port, code) => {
        if (this.knownPort === 0 && tries < EPHEMERAL_TRIES && code === 'EADDRINUSE') {
          again(0);
        } else if (this.wasBound) {
          log.warn(`rebind ${options.role}`, `${bindFailure(options, portKind, port, code).message}; trying again`, {});
          again(REBIND_MS);
        } else {
          context.fail(bindFailure(options, portKind, port, code));
        }
      },
    );
  }

  private bound(context: Context, ports: Ports): void {
    const { role, actor } = this.options;
    this.ports = ports;
    this.knownPort = ports.port;
    this.wasBound = true;
    if (ports.vipPort !== 0) context.report(`${role}.vipPort`, ports.vipPort);
    if (ports.haPort !== 0) context.report(`${role}.haPort`, ports.haPort);
    // Last: whoever knows this one knows the others.
    context.report(`${role}.port`, ports.port);
    context.send(actor, connectionMessages.bound, { ...ports });
  }
}
