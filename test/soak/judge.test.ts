/** The judge sees every broken promise, and takes nothing that is promised to nobody for one. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { groupsOf } from './groups.js';
import { Judge } from './judge.js';

type Fields = Readonly<Record<string, string | number>>;

/** Java's groups, with the members java-1 and java-2. */
function judgeOf(...records: readonly (readonly [event: string, fields: Fields])[]): Judge {
  const judge = new Judge(groupsOf(['java']), ['java-1', 'java-2']);
  for (const [event, fields] of records) {
    judge.take({
      event,
      fields: Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, String(value)])),
    });
  }
  return judge;
}

const tried = (number: number) => ['tried', { id: `java-producer.1-${number}` }] as const;
const sent = (number: number, offset: number) =>
  ['sent', { id: `java-producer.1-${number}`, status: 'SEND_OK', b: 'broker-a', q: 0, o: offset }] as const;
const got = (kind: string, number: number, offset: number, more: Fields = {}) =>
  [
    'got',
    {
      g: `soak-java-${kind}`,
      m: 'java-1.1',
      id: `java-producer.1-${number}`,
      b: 'broker-a',
      q: 0,
      o: offset,
      r: 0,
      ...more,
    },
  ] as const;

const judge = suite('soak: judge');

judge('an acknowledged message that a group has not consumed is lost; each member of a broadcast is asked', () => {
  const one = judgeOf(tried(0), sent(0, 0), got('plain', 0, 0), got('broadcast', 0, 0));
  assert.equal(
    [...one.lacking().by.keys()],
    ['soak-java-orderly', 'soak-java-retry', 'soak-java-tags', 'soak-java-sql', 'soak-java-broadcast java-2'],
  );
  one.finish();
  assert.is(one.violations.get('lost'), 5);
  assert.ok(
    one.told.includes('lost: java-producer.1-0 (broker-a queue 0 offset 0) to soak-java-orderly'),
    one.told.join(),
  );
});

judge('what was not acknowledged, what a filter leaves out and what was rolled back need not come', () => {
  // 2: TagC, 5: TagC and odd, 22: rolled back.
  const one = judgeOf(tried(0), tried(5), sent(5, 0), tried(22), sent(22, 1));
  const by = one.lacking().by;
  assert.is(by.get('soak-java-plain'), 1);
  assert.is(by.get('soak-java-tags'), undefined);
  assert.is(by.get('soak-java-sql'), undefined);
});

judge('a dead letter counts for the group that refused it', () => {
  const dead = judgeOf(tried(7), sent(7, 0), got('retry', 7, 0, { r: 0, retry: 1 }));
  assert.is(dead.lacking().by.get('soak-java-retry'), undefined);
  const letter = judgeOf(tried(7), sent(7, 0), got('dead', 7, 12));
  assert.is(letter.lacking().by.get('soak-java-retry'), undefined);
});

judge('an orderly group may go back, and on by one; it may not leave anything out', () => {
  const messages = [0, 1, 2, 3].flatMap((number) => [tried(number), sent(number, number)]);
  const held = judgeOf(
    ...messages,
    got('orderly', 0, 0),
    got('orderly', 1, 1),
    got('orderly', 0, 0),
    got('orderly', 1, 1),
  );
  assert.is(held.violations.size, 0);
  const broken = judgeOf(...messages, got('orderly', 0, 0), got('orderly', 2, 2));
  assert.equal([...broken.violations], [['out of order', 1]]);
  assert.match(broken.told[0]!, /offset 2 after offset 0/);
  const late = judgeOf(...messages, got('orderly', 1, 1));
  assert.is(late.violations.get('out of order'), 1);
});

judge('a message that an orderly group suspended at has not been passed', () => {
  const [event, fields] = got('orderly', 0, 0);
  assert.is(event, 'got');
  const passed = judgeOf(tried(0), sent(0, 0), tried(1), sent(1, 1), ['refused', fields], got('orderly', 1, 1));
  assert.is(passed.violations.get('out of order'), 1);
});

judge('unknown, damaged, unwanted and rolled back messages are violations', () => {
  assert.is(judgeOf(got('plain', 9, 0)).violations.get('never sent'), 1);
  assert.is(judgeOf(tried(1), got('plain', 1, 0, { bad: 1 })).violations.get('damaged'), 1);
  assert.is(judgeOf(tried(2), got('tags', 2, 0)).violations.get('unwanted'), 1);
  assert.is(judgeOf(tried(1), got('sql', 1, 0)).violations.get('unwanted'), 1);
  assert.is(judgeOf(tried(22), got('plain', 22, 0)).violations.get('rolled back'), 1);
});

judge('a queue offset holds one message, whoever says so', () => {
  const sentTwice = judgeOf(tried(0), tried(1), sent(0, 4), sent(1, 4));
  assert.is(sentTwice.violations.get('two at a place'), 1);
  const gotOther = judgeOf(tried(0), tried(1), sent(0, 4), got('plain', 1, 4));
  assert.is(gotOther.violations.get('two at a place'), 1);
  const retried = judgeOf(tried(0), tried(1), sent(0, 4), got('retry', 1, 4, { retry: 1 }), got('dead', 1, 4));
  assert.is(retried.violations.size, 0);
});

judge('a producer that waits for its answers gets rising offsets', () => {
  assert.is(judgeOf(tried(0), sent(0, 4), tried(1), sent(1, 3)).violations.get('producer order'), 1);
  assert.is(judgeOf(tried(0), sent(0, 4), tried(1), sent(1, 5)).violations.size, 0);
});

judge('duplicates are counted by their cause, and are no violation', () => {
  const one = judgeOf(
    tried(0),
    sent(0, 1),
    // The first copy, whose answer was lost.
    got('plain', 0, 0),
    got('plain', 0, 1),
    got('plain', 0, 1),
    got('plain', 0, 0, { m: 'java-2.1' }),
    got('plain', 0, 7, { r: 1, retry: 1 }),
  );
  assert.is(one.violations.size, 0);
  assert.equal(one.audiences.get('soak-java-plain')!.duplicates, {
    'sent again': 1,
    'taken over': 1,
    'gone back': 1,
    retried: 1,
  });
  assert.is(one.audiences.get('soak-java-plain')!.consumed, 1);
});

judge.run();
