/**
 * From `write` messages to sockets: what actors write to a connection in one turn leaves as one buffer. A connection
 * whose peer lets more than the limit wait is closed when the next answer comes for it, so what waits is bounded by the
 * limit and one message.
 */
import { copyBytes } from '../../message/bytes.js';
import type { Clock } from '../../base/clock.js';
import { BufferPool, MAX_POOLED_BYTES } from './buffer-pool.js';
import { type Connection, NO_OUTPUT } from './connection.js';

/** Beyond this a turn's output leaves in several buffers: growing them would cost more than another write. */
const BUFFER_BYTES = MAX_POOLED_BYTES;
const MIN_BUFFER_BYTES = 512;

export class Output {
  /** At least what waits in all connections together: counted when it passes the limit (see relief.ts). */
  waitingBytes = 0;
  private dirty: Connection[] = [];
  private readonly pool = new BufferPool();

  constructor(
    private readonly clock: Clock,
    private readonly limitBytes: number,
  ) {}

  /** Takes a copy of the range. False: the peer does not read, nothing was taken. */
  append(connection: Connection, source: Buffer, start: number, end: number): boolean {
    const length = end - start;
    if (connection.outputBytes + connection.socket.bufferedBytes > this.limitBytes) return false;
    if (connection.outputBytes + length > connection.output.length) this.makeRoom(connection, length);
    copyBytes(source, start, length, connection.output, connection.outputBytes);
    connection.outputBytes += length;
    this.waitingBytes += length;
    if (!connection.isDirty) {
      connection.isDirty = true;
      this.dirty.push(connection);
    }
    return true;
  }

  /** Gives everything of this turn to the sockets. */
  flush(): void {
    const { dirty } = this;
    if (dirty.length === 0) return;
    this.dirty = [];
    for (const connection of dirty) {
      connection.isDirty = false;
      this.writeOut(connection);
    }
  }

  writeOut(connection: Connection): void {
    const { socket, outputBytes, outputHintBytes } = connection;
    if (outputBytes === 0) return;
    // A quarter more than lately needed, slowly forgetting the largest.
    const enough = outputBytes + (outputBytes >> 2);
    const hint = Math.max(enough, outputHintBytes - (outputHintBytes >> 3), MIN_BUFFER_BYTES);
    connection.outputHintBytes = Math.min(hint, BUFFER_BYTES);
    // While earlier output waits this is no sign of life.
    if (socket.bufferedBytes === 0) connection.lastActivityMs = this.clock.monotonic();
    const { output } = connection;
    if (socket.write(connection.takeOutput())) this.pool.give(output);
  }

  private makeRoom(connection: Connection, length: number): void {
    if (connection.outputBytes + length > BUFFER_BYTES) this.writeOut(connection);
    const { output, outputBytes } = connection;
    const wanted = outputBytes === 0 ? connection.outputHintBytes : 2 * output.length;
    connection.output = this.pool.take(Math.max(outputBytes + length, Math.min(wanted, BUFFER_BYTES)));
    if (output === NO_OUTPUT) return;
    copyBytes(output, 0, outputBytes, connection.output, 0);
    this.pool.give(output);
  }
}
