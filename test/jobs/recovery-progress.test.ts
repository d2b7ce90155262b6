import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GIB } from '../../src/base/units.js';
import { RecoveryProgress } from '../../src/jobs/recovery-progress.js';

const progress = suite('recovery progress');

function fixture() {
  const lines: string[] = [];
  const time = { ms: 5_000 };
  return {
    lines,
    time,
    progress: new RecoveryProgress(
      () => time.ms,
      (line) => lines.push(line),
    ),
  };
}

progress('a recovery that takes less than a second says nothing', () => {
  const { lines, time, progress } = fixture();
  progress.begin('broker-a');
  for (; time.ms < 5_990; time.ms += 10) progress.update('broker-a', time.ms, 10_000);
  progress.end('broker-a');
  assert.equal(lines, []);
});

progress('a longer one tells bytes, rate and what is left, at most once a second', () => {
  const { lines, time, progress } = fixture();
  progress.begin('broker-a');
  for (; time.ms < 8_500; time.ms += 100) progress.update('broker-a', ((time.ms - 5_000) / 1000) * GIB, 10 * GIB);
  assert.equal(lines, [
    'recovering stores: broker-a 1.0 of 10.0 GiB, 1074 MB/s, 9 s left',
    'recovering stores: broker-a 2.0 of 10.0 GiB, 1074 MB/s, 8 s left',
    'recovering stores: broker-a 3.0 of 10.0 GiB, 1074 MB/s, 7 s left',
  ]);
  progress.end('broker-a');
  assert.is(lines.at(-1), 'broker-a has recovered its store in 3.5 s');
});

progress('several share a line; one that failed is not in it any more', () => {
  const { lines, time, progress } = fixture();
  progress.begin('broker-a');
  progress.begin('broker-b');
  time.ms += 1_000;
  progress.update('broker-a', GIB / 2, GIB);
  progress.update('broker-b', GIB / 4, GIB);
  time.ms += 1_000;
  progress.fail('broker-a');
  progress.update('broker-b', GIB / 2, GIB);
  assert.equal(lines, [
    'recovering stores: broker-a 0.5 of 1.0 GiB; broker-b waits',
    'recovering stores: broker-b 0.5 of 1.0 GiB, 268 MB/s, 2 s left',
  ]);
});
progress.run();
