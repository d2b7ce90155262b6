import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { QuickReads } from '../../src/store/quick-reads.js';

const reads = suite('quick reads: old messages are read in place as long as that is quick');

reads('not at once: what was before nobody knows', () => {
  const quick = new QuickReads(1_000);
  assert.is(quick.mayReadHere(1_049), false);
  assert.is(quick.mayReadHere(1_050), true);
});

reads('after a slow read they pause, longer each time they are slow again, up to a bound', () => {
  const quick = new QuickReads(0);
  const pauses: number[] = [];
  for (let nowMs = 50; pauses.length < 8; ) {
    quick.note(3, nowMs);
    let pauseMs = 0;
    while (!quick.mayReadHere(nowMs + pauseMs)) pauseMs += 10;
    pauses.push(pauseMs);
    nowMs += pauseMs;
  }
  assert.equal(pauses, [50, 100, 200, 400, 800, 1_600, 1_600, 1_600]);
});

reads('a quick one begins anew', () => {
  const quick = new QuickReads(0);
  for (const nowMs of [50, 100, 200]) quick.note(3, nowMs);
  quick.note(0.05, 600);
  quick.note(3, 600);
  assert.is(quick.mayReadHere(650), true);
});
reads.run();
