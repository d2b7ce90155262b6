import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Connection, NOBODY } from '../../../src/actors/front/connection.js';
import { Stalls } from '../../../src/actors/front/stalls.js';
import type { Context } from '../../../src/runtime/actor.js';

const A = 3;
const B = 4;

/** Actors with room for so many frames; `onceOpen` is answered when the test says so. */
class Room {
  readonly left = new Map([
    [A, 0],
    [B, 0],
  ]);
  private asked: { readonly to: number; readonly fire: () => void }[] = [];
  readonly context = {
    isOpen: (to: number) => this.left.get(to)! > 0,
    onceOpen: (to: number, _: string, fire: () => void) => this.asked.push({ to, fire }),
  } as unknown as Context;

  give(to: number, frames: number): void {
    this.left.set(to, frames);
  }

  take(to: number): void {
    this.left.set(to, this.left.get(to)! - 1);
  }

  /** Calls who asked for that actor; how many there were. */
  answer(to: number): number {
    const fires = this.asked.filter((one) => one.to === to);
    this.asked = this.asked.filter((one) => one.to !== to);
    for (const { fire } of fires) fire();
    return fires.length;
  }
}

function connection(id: number): Connection {
  return { id, stalledOn: NOBODY } as unknown as Connection;
}

const stalls = suite('front: stalled connections');

stalls('as long as one waits for an actor, nobody passes it, even if there is room', () => {
  const room = new Room();
  const waiting = new Stalls(room.context, 8, () => room.take(A));
  room.give(A, 5);
  room.give(B, 5);
  assert.is(waiting.mayPass(A), true);
  waiting.add(connection(1), A);
  assert.is(waiting.mayPass(A), false);
  assert.is(waiting.mayPass(B), true);
  room.answer(A);
  assert.is(waiting.mayPass(A), true);
});

stalls('served in turn; whoever stalls again goes to the end', () => {
  const room = new Room();
  const served: number[] = [];
  const waiting: Stalls = new Stalls(room.context, 8, (one) => {
    served.push(one.id);
    room.take(A);
    waiting.add(one, A);
  });
  for (const id of [1, 2, 3]) waiting.add(connection(id), A);
  for (let i = 0; i < 7; i++) {
    room.give(A, 1);
    assert.is(room.answer(A), 1, 'one question for all of them');
  }
  assert.equal(served, [1, 2, 3, 1, 2, 3, 1]);
});

stalls('asks again when the room is gone before it is told', () => {
  const room = new Room();
  const served: number[] = [];
  const waiting = new Stalls(room.context, 8, (one) => served.push(one.id));
  waiting.add(connection(1), A);
  assert.is(room.answer(A), 1);
  assert.equal(served, []);
  room.give(A, 1);
  assert.is(room.answer(A), 1);
  assert.equal(served, [1]);
  assert.is(room.answer(A), 0);
});

stalls('whoever is removed is not served', () => {
  const room = new Room();
  const served: number[] = [];
  const waiting = new Stalls(room.context, 8, (one) => served.push(one.id));
  const [one, other] = [connection(1), connection(2)];
  waiting.add(one, A);
  waiting.add(other, A);
  waiting.remove(one);
  assert.is(one.stalledOn, NOBODY);
  room.give(A, 9);
  room.answer(A);
  assert.equal(served, [2]);
});

stalls.run();
