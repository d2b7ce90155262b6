/**
 * What an HA actor does for a slave: keeps a connection to its master's HA port, passes on to its broker what there is
 * to append, and acknowledges. A master of this process only says how far its log may be read; one of another process
 * sends the bytes, once the broker has made sure that both logs are one (master-check.ts).
 */
import { StartError } from '../../base/start-error.js';
import { writeInt64 } from '../../base/int64.js';
import type { ActorId, Context } from '../../runtime/actor.js';
import { brokerMessages } from '../broker/messages.js';
import { frontMessages } from '../front/messages.js';
import { haMessages } from './messages.js';
import type { HaOptions, StreamSettings } from './options.js';
import { REPORT_BYTES, TransferReader } from './stream-protocol.js';
import { withoutNumbers } from './refusals.js';

const FIRST_REDIAL_MS = 50;
/** Apache's slave tries every 5 s. */
const LAST_REDIAL_MS = 5_000;

/** How the connection is used. */
type Link = 'none' | 'local' | 'checking' | 'stream';

export class SlaveSide {
  /** Of the own log. */
  private end = 0;
  private masterAddress = '';
  private connection = 0;
  private link: Link = 'none';
  /** The master's HA actor and its side of the connection. */
  private master: ActorId = -1;
  private masterConnection = 0;
  private token = 0;
  private redialMs = FIRST_REDIAL_MS;
  private isDialing = false;
  /** Set with the first range: ready when the own log has come that far. */
  private readyAt = -1;
  private isReady: boolean;

  // ---- of a stream
  private readonly transfer = new TransferReader();
  /** Offset of the next byte that the master sends. */
  private next = 0;
  private reported = 0;
  private lastReadMs = 0;
  private lastWriteMs = 0;
  /** What was wrong last, without its offsets: said once as long as it stays the same. */
  private lastProblem = '';

  constructor(
    private readonly context: Context,
    private readonly options: HaOptions,
    private readonly stream: StreamSettings,
  ) {
    this.isReady = !options.waitsForMaster;
  }

  // ---- connecting

  /** What the name servers say, or haMasterAddress. */
  setMaster(address: string): void {
    if (address === this.masterAddress) return;
    this.masterAddress = address;
    // What a dial to the old address brings is closed when it comes.
    this.isDialing = false;
    this.token++;
    if (this.connection > 0) this.drop();
    else this.dial();
  }

  private dial(): void {
    const { masterAddress } = this;
    if (this.isDialing || this.connection > 0 || masterAddress === '') return;
    const colon = masterAddress.lastIndexOf(':');
    const host = masterAddress.slice(0, colon);
    const port = Number(masterAddress.slice(colon + 1));
    this.isDialing = true;
    this.token++;
    const value = { host, port, isStream: true } as const;
    this.context.send(this.options.front, frontMessages.dial, { token: this.token, value });
  }

  private dialLater(): void {
    this.context.after(this.redialMs, () => this.dial());
    this.redialMs = Math.min(LAST_REDIAL_MS, this.redialMs * 2);
  }

  dialFailed(token: number, reason: string): void {
    if (token !== this.token) return;
    this.isDialing = false;
    this.context.log.debug('master not reached', { address: this.masterAddress, reason });
    this.dialLater();
  }

  dialed(token: number, connection: number, peerActor: ActorId, peerConnection: number): void {
    if (token !== this.token) {
      this.context.send(this.options.front, frontMessages.close, { connection });
      return;
    }
    this.isDialing = false;
    this.connection = connection;
    this.master = peerActor;
    this.masterConnection = peerConnection;
    const { localMaster } = this.options;
    // The broker reads the log of the master in this process, and no other one's.
    if (localMaster !== undefined && peerActor !== localMaster)
      return this.refuseLocal(
        `its master is in this process and not at ${this.masterAddress}: leave haMasterAddress out`,
      );
    if (peerActor >= 0) {
      if (localMaster === undefined)
        return this.refuseLocal(`at ${this.masterAddress} is a broker of this process that is not its master`);
      this.link = 'local';
      this.context.send(peerActor, haMessages.localHello, { connection: peerConnection, end: this.end });
      return;
    }
    this.link = 'checking';
    this.context.send(this.options.broker, brokerMessages.checkMaster, { connection });
  }

  /** True when the connection was this side's. */
  closed(connection: number): boolean {
    if (connection !== this.connection) return false;
    if (this.link === 'stream') this.context.log.warn('master disconnected', { master: this.masterAddress });
    this.connection = 0;
    this.link = 'none';
    this.master = -1;
    this.dialLater();
    return true;
  }

  /** The rest comes with `closed`. */
  private drop(): void {
    this.context.send(this.options.front, frontMessages.close, { connection: this.connection });
  }

  private dropBecause(why: string): void {
    const { masterAddress: master } = this;
    const kind = withoutNumbers(why);
    if (kind !== this.lastProblem) this.context.log.error(`replication stands still: ${why}`, { master });
    this.lastProblem = kind;
    this.redialMs = LAST_REDIAL_MS;
    this.link = 'none';
    this.drop();
  }

  // ---- a master of this process

  localRange(source: ActorId, from: number, end: number): void {
    if (source !== this.master || this.connection === 0) return;
    if (from >= 0) {
      this.redialMs = FIRST_REDIAL_MS;
      this.readyAt = end;
    }
    this.context.send(this.options.broker, brokerMessages.follow, { from, end });
  }

  /** The master's log begins behind the own end now: it says where. */
  rejoin(): void {
    if (this.link !== 'local') return;
    this.context.send(this.master, haMessages.localHello, { connection: this.masterConnection, end: this.end });
  }

  localRefused(why: string): void {
    const text = `refused by its master: ${why}`;
    this.redialMs = LAST_REDIAL_MS;
    // Waiting helps nobody: the start fails, and a slave that came back from a crash stays down.
    if (!this.isReady) this.context.fail(new StartError(`${this.options.role}: ${text}`));
    else this.context.log.error(text);
  }

  /** The master of this process is none for this slave. */
  private refuseLocal(why: string): void {
    if (this.isReady) return this.dropBecause(why);
    this.context.fail(new StartError(`${this.options.role}: ${why}`));
  }

  private becomeReady(): void {
    if (this.isReady || this.readyAt < 0 || this.end < this.readyAt) return;
    this.isReady = true;
    this.context.ready();
  }

  // ---- a master of another process

  /** The broker has compared the logs; `problem` is empty when they are one. */
  checked(connection: number, problem: string): void {
    if (connection !== this.connection || this.link !== 'checking') return;
    if (problem !== '') return this.dropBecause(problem);
    const now = this.context.clock.monotonic();
    this.link = 'stream';
    this.transfer.reset();
    this.next = this.end;
    this.lastReadMs = now;
    this.context.log.info('following', { master: this.masterAddress, from: this.end });
    this.report(now);
  }

  /** Says how far the own log goes. */
  private report(now: number): void {
    const place = this.context.begin(
      this.options.front,
      frontMessages.write,
      { connection: this.connection },
      0,
      REPORT_BYTES,
    );
    writeInt64(place.view, place.at, this.end);
    this.context.end(REPORT_BYTES);
    this.reported = this.end;
    this.lastWriteMs = now;
  }

  received(connection: number, bytes: Uint8Array, start: number, end: number): void {
    if (connection !== this.connection || this.link !== 'stream') return;
    this.lastReadMs = this.context.clock.monotonic();
    this.transfer.push(
      bytes,
      start,
      end,
      (offset, bodyBytes) => this.beginBody(offset, bodyBytes),
      (at, count) => this.passOn(bytes, at, count),
    );
  }

  private beginBody(offset: number, bodyBytes: number): boolean {
    const fileBytes = this.options.settings.mappedFileSizeCommitLog;
    // An empty log begins where the master says, at the start of one of its files.
    if (this.next === 0 && offset % fileBytes === 0 && bodyBytes > 0) this.next = offset;
    const isEmpty = this.next === 0 && bodyBytes === 0;
    if (bodyBytes < 0 || (offset !== this.next && !isEmpty)) {
      this.dropBecause(
        `the master sends its log from ${offset} (${bodyBytes} bytes), the own one ends at ${this.next}`,
      );
      return false;
    }
    if ((offset % fileBytes) + bodyBytes <= fileBytes) return true;
    this.dropBecause(`the master's log files are larger than mappedFileSizeCommitLog=${fileBytes}: set it to theirs`);
    return false;
  }

  private passOn(bytes: Uint8Array, at: number, count: number): void {
    append.offset = this.next;
    const place = this.context.begin(this.options.broker, brokerMessages.append, append, 0, count);
    place.buffer.set(bytes.subarray(at, at + count), place.at);
    this.context.end(count);
    this.next += count;
  }

  /**
   * The broker could not append: what is under way is lost, and asked for again by the next connection. Or its log is not
   * the beginning of that of the master in this process.
   */
  appendFailed(why: string): void {
    if (this.link === 'stream') this.dropBecause(why);
    else if (this.link === 'local') this.refuseLocal(why);
  }

  /** Heartbeats, and the end of a connection that is silent; to be called about once a second. */
  tick(): void {
    if (this.link !== 'stream') return;
    const { heartbeatMs, housekeepingMs } = this.stream;
    const now = this.context.clock.monotonic();
    const silentMs = now - this.lastReadMs;
    if (silentMs > housekeepingMs) {
      this.dropBecause('the master has said nothing for too long');
      // It may be there, and only the connection is not.
      this.redialMs = FIRST_REDIAL_MS;
    } else if (now - this.lastWriteMs >= heartbeatMs) this.report(now);
  }

  // ---- both

  appended(end: number): void {
    this.end = end;
    if (this.link === 'local') {
      this.lastProblem = '';
      this.context.send(this.master, haMessages.localAck, { connection: this.masterConnection, end });
    } else if (this.link === 'stream' && end > this.reported) {
      this.redialMs = FIRST_REDIAL_MS;
      this.lastProblem = '';
      this.report(this.context.clock.monotonic());
    }
    this.becomeReady();
  }
}

const append = { offset: 0.5 };
