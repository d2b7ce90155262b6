/** A remoting client of the simulation: requests and answers over one connection, and one that dials again and again. */
import type { Simulation, TestClient } from '../../src/runtime/simulation/simulation.js';
import { type Answer, type Fields, frame, requestHeader } from '../support/remoting-client.js';
import { HOST } from './sim-cluster.js';

const IS_RESPONSE = 1;
const IS_ONE_WAY = 2;

interface Waiting {
  readonly code: number;
  readonly sinceMs: number;
  readonly answered: (answer: Answer | undefined) => void;
}

/** What a broker asks its client. */
export interface Asked {
  readonly code: number;
  readonly opaque: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export class WireClient {
  /** Called once when the connection is over, after every open call has got its `undefined`. */
  onClosed: () => void = () => undefined;
  /** Most of what brokers ask (the consumers of a group have changed) needs no answer. */
  onAsked: (asked: Asked) => void = () => undefined;
  private readonly waiting = new Map<number, Waiting>();
  private readonly client: TestClient;
  private rest: Buffer = Buffer.alloc(0);
  private opaque = 0;

  constructor(
    private readonly simulation: Simulation,
    port: number,
    from: string,
    onConnected: () => void,
  ) {
    this.client = simulation.connect(HOST, port, from);
    this.client.onConnected = onConnected;
    this.client.onData = (chunk) => this.take(chunk);
    this.client.onClosed = () => this.closed();
  }

  get isOpen(): boolean {
    return this.client.isOpen;
  }

  get openCalls(): number {
    return this.waiting.size;
  }

  /** `answered` gets the answer, or undefined when the connection ends before it. */
  call(code: number, fields: Fields, body: Buffer | undefined, answered: Waiting['answered']): void {
    const opaque = ++this.opaque;
    this.waiting.set(opaque, { code, sinceMs: this.simulation.time.monotonic(), answered });
    this.client.send(frame(requestHeader(code, opaque, fields), body));
  }

  oneWay(code: number, fields: Fields, body?: Buffer): void {
    this.client.send(frame(requestHeader(code, ++this.opaque, fields, IS_ONE_WAY), body));
  }

  /** To what the broker has asked. */
  answer({ code, opaque }: Asked, responseCode: number, body?: Buffer): void {
    const header = { ...requestHeader(code, opaque, {}, IS_RESPONSE), code: responseCode };
    this.client.send(frame(header, body));
  }

  /** Closes after what was sent has left, or at once. */
  close(how: 'end' | 'destroy'): void {
    if (how === 'end') this.client.end();
    else this.client.destroy();
  }

  pause(): void {
    this.client.pause();
  }

  resume(): void {
    this.client.resume();
  }

  /** Requests that have waited for longer than that. */
  overdue(limitMs: number): string[] {
    const nowMs = this.simulation.time.monotonic();
    return [...this.waiting]
      .filter(([, { sinceMs }]) => nowMs - sinceMs > limitMs)
      .map(([opaque, { code, sinceMs }]) => `request ${opaque} (code ${code}) of ${sinceMs.toFixed(3)} ms`);
  }

  private take(chunk: Buffer): void {
    this.rest = this.rest.length === 0 ? chunk : Buffer.concat([this.rest, chunk]);
    while (this.rest.length >= 4 && this.rest.length >= 4 + this.rest.readInt32BE(0)) {
      const end = 4 + this.rest.readInt32BE(0);
      this.deliver(this.rest.subarray(0, end));
      this.rest = this.rest.subarray(end);
    }
  }

  private deliver(bytes: Buffer): void {
    const bodyAt = 8 + (bytes.readInt32BE(4) & 0xffffff);
    const header = JSON.parse(bytes.toString('utf8', 8, bodyAt));
    if ((header.flag & IS_RESPONSE) === 0) {
      const { code, opaque, extFields: fields = {} } = header;
      return this.onAsked({ code, opaque, fields, body: bytes.subarray(bodyAt) });
    }
    const waiting = this.waiting.get(header.opaque);
    if (waiting === undefined) throw new Error(`an answer that nobody waits for: ${JSON.stringify(header)}`);
    this.waiting.delete(header.opaque);
    const { code, remark = '', extFields: fields = {} } = header;
    waiting.answered({ code, remark, fields, body: bytes.subarray(bodyAt), header, serialization: 0 });
  }

  private closed(): void {
    const open = [...this.waiting.values()];
    this.waiting.clear();
    for (const { answered } of open) answered(undefined);
    this.onClosed();
  }
}

/** Dials again after a while whenever its connection is gone, until it leaves. */
export class Session {
  client: WireClient | undefined;
  private hasLeft = false;

  constructor(
    private readonly simulation: Simulation,
    readonly port: number,
    readonly from: string,
    /** A new connection is there; calls of the one before have ended. */
    private readonly onReady: (client: WireClient) => void,
  ) {
    this.dial();
  }

  get isReady(): boolean {
    return this.client?.isOpen === true;
  }

  leave(): void {
    this.hasLeft = true;
    this.client?.close(this.simulation.random.chance(0.5) ? 'end' : 'destroy');
  }

  private dial(): void {
    if (this.hasLeft) return;
    const client = new WireClient(this.simulation, this.port, this.from, () => this.onReady(client));
    client.onClosed = () => {
      this.client = undefined;
      this.simulation.after(10 + this.simulation.random.unit() * 500, () => this.dial());
    };
    this.client = client;
  }
}
