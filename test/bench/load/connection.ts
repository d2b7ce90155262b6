/**
 * One connection: complete responses in, request bytes out. Reads go into one buffer behind what is left of an incomplete
 * frame, so nothing is joined and nothing is allocated per message.
 */
import { connect, type Socket } from 'node:net';
import { nowMs } from './clock.js';
import type { Frame } from './frames.js';
import { Reply, Success } from './reply.js';

const READ_BYTES = 256 * 1024;
const CONNECT_MS = 5_000;

export interface Receiver {
  /** One response, valid until this returns. */
  onReply(reply: Reply, atMs: number): void;
  /** After the last response of what was read at once. */
  onRead(): void;
  /** The other side closed it. Not called after `close()`. */
  onClosed(error: Error | undefined): void;
}

const nobody: Receiver = { onReply: () => {}, onRead: () => {}, onClosed: () => {} };

export class Connection {
  receiver: Receiver = nobody;
  readonly #socket: Socket;
  readonly #reply = new Reply();
  #bytes = Buffer.allocUnsafeSlow(READ_BYTES);
  #filled = 0;

  private constructor(
    readonly address: string,
    onConnect: () => void,
  ) {
    const colon = address.lastIndexOf(':');
    this.#socket = connect({
      host: address.slice(0, colon),
      port: Number(address.slice(colon + 1)),
      noDelay: true,
      onread: {
        buffer: () => (this.#filled === 0 ? this.#bytes : this.#bytes.subarray(this.#filled)),
        callback: (count) => {
          this.#filled += count;
          this.#split();
          return true;
        },
      },
    });
    this.#socket.once('connect', onConnect);
    this.#socket.on('error', (error) => this.#end(error));
    this.#socket.once('close', () => this.#end(undefined));
  }

  static open(address: string): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const connection = new Connection(address, () => {
        clearTimeout(limit);
        connection.receiver = nobody;
        resolve(connection);
      });
      const fail = (why: string): void => {
        clearTimeout(limit);
        connection.close();
        reject(new Error(`${address}: ${why}`));
      };
      const limit = setTimeout(() => fail(`no connection within ${CONNECT_MS} ms`), CONNECT_MS);
      connection.receiver = { ...nobody, onClosed: (error) => fail(error?.message ?? 'closed') };
    });
  }

  /** `bytes` must stay as they are until an answer to them comes. */
  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Between `cork` and `uncork` writes are gathered into one. */
  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  /** One request and its answer, before the load begins; `read` takes what it wants of a success. */
  call<T>(frame: Frame, read: (reply: Reply) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const failed = (why: string): void => reject(new Error(`${this.address}: ${why}`));
      this.receiver = {
        onReply: (reply) => {
          this.receiver = nobody;
          if (reply.code === Success) resolve(read(reply));
          else failed(`code ${reply.code}: ${reply.remark()}`);
        },
        onRead: () => {},
        onClosed: (error) => failed(error?.message ?? 'closed'),
      };
      this.write(frame.bytes);
    });
  }

  close(): void {
    this.receiver = nobody;
    this.#socket.destroy();
  }

  #split(): void {
    const atMs = nowMs();
    const reply = this.#reply;
    const bytes = this.#bytes;
    let at = 0;
    while (reply.read(bytes, at, this.#filled)) {
      at = reply.end;
      // What brokers ask of clients (rebalance notices) is passed over.
      if (reply.isResponse) this.receiver.onReply(reply, atMs);
    }
    if (at > 0) {
      bytes.copyWithin(0, at, this.#filled);
      this.#filled -= at;
    } else if (this.#filled === bytes.length) {
      this.#bytes = Buffer.allocUnsafeSlow(bytes.length * 2);
      bytes.copy(this.#bytes, 0, 0, this.#filled);
    }
    this.receiver.onRead();
  }

  #end(error: Error | undefined): void {
    const { receiver } = this;
    this.receiver = nobody;
    receiver.onClosed(error);
  }
}
