/** A server that answers every request at once, as the test says, so that the generator's arithmetic can be checked. */
import { createServer, type Server, type Socket } from 'node:net';

export interface Request {
  readonly code: number;
  readonly opaque: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Answer {
  readonly code: number;
  readonly remark?: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Frames that go out before the answer: what a broker asks of its client. */
  readonly before?: Buffer;
}

export class FakeBroker {
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  /** `answer` gives undefined to stay silent; answers leave in pieces of `pieceBytes`. */
  constructor(
    readonly answer: (request: Request, socket: Socket) => Answer | undefined | Promise<Answer | undefined>,
    readonly pieceBytes = Number.POSITIVE_INFINITY,
  ) {
    this.#server = createServer({ noDelay: true }, (socket) => this.#serve(socket));
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return `127.0.0.1:${address.port}`;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    let bytes = Buffer.alloc(0);
    let answered = Promise.resolve();
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      while (bytes.length >= 4 && bytes.length >= 4 + bytes.readInt32BE(0)) {
        const request = decode(bytes);
        bytes = bytes.subarray(4 + bytes.readInt32BE(0));
        answered = answered.then(async () => {
          const answer = await this.answer(request, socket);
          if (answer !== undefined) this.#write(socket, encode(request.opaque, answer));
        });
      }
    });
  }

  #write(socket: Socket, frame: Buffer): void {
    for (let at = 0; at < frame.length; at += this.pieceBytes) {
      socket.write(frame.subarray(at, Math.min(frame.length, at + this.pieceBytes)));
    }
  }
}

function decode(bytes: Buffer): Request {
  const bodyAt = 8 + (bytes.readInt32BE(4) & 0xffffff);
  const header = JSON.parse(bytes.toString('utf8', 8, bodyAt));
  const body = Buffer.from(bytes.subarray(bodyAt, 4 + bytes.readInt32BE(0)));
  return { code: header.code, opaque: header.opaque, fields: header.extFields ?? {}, body };
}

function encode(opaque: number, { code, remark, fields, body, before }: Answer): Buffer {
  const rest = { flag: 1, language: 'JAVA', opaque, remark, serializeTypeCurrentRPC: 'JSON', version: 407 };
  return Buffer.concat([before ?? Buffer.alloc(0), frameOf({ code, extFields: fields, ...rest }, body)]);
}

export function frameOf(header: object, body: Buffer = Buffer.alloc(0)): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const words = Buffer.alloc(8);
  words.writeInt32BE(4 + text.length + body.length, 0);
  words.writeInt32BE(text.length, 4);
  return Buffer.concat([words, text, body]);
}

/** A stored record as far as the generator reads it: 88 bytes, the body, and a topic and properties behind it. */
export function recordOf(body: Buffer): Buffer {
  const record = Buffer.alloc(88 + body.length + 7);
  record.writeInt32BE(record.length, 0);
  record.writeInt32BE(body.length, 84);
  body.copy(record, 88);
  return record;
}
