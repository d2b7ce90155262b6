import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bindFailure } from '../../../src/actors/front/bind-failure.js';
import { StartError } from '../../../src/base/start-error.js';
import { Driver, ID, PORT, PORT_KIND, UNIT } from './driver.js';

const fixed = suite('front: fixed ports');

fixed('a broker has three, a name server one; actor and supervisor hear of them', () => {
  const driver = Driver.open();
  assert.equal(driver.heard(ID.brokerA), [{ kind: 'bound', port: 10911, vipPort: 10909, haPort: 10912 }]);
  assert.equal(driver.heard(ID.namesrv), [{ kind: 'bound', port: 9876, vipPort: 0, haPort: 0 }]);
  assert.is(driver.facts.get('broker-a.port'), 10911);
  assert.is(driver.facts.get('broker-a.vipPort'), 10909);
  assert.is(driver.facts.get('broker-a.haPort'), 10912);
  assert.is(driver.facts.has('namesrv-a.vipPort'), false);
  assert.ok(driver.ready.has(ID.front));
});

for (const [port, name] of [
  [PORT.brokerA, 'port 10911'],
  [PORT.brokerA - 2, 'VIP port (port - 2) 10909'],
  [PORT.brokerA + 1, 'HA port (port + 1) 10912'],
] as const) {
  fixed(`one of them in use ends the start with a line that says which: ${name}`, () => {
    const driver = new Driver();
    driver.network.taken.add(port);
    driver.tellFront('openUnit', UNIT.brokerA);
    driver.settle();
    const [error] = driver.crashes;
    assert.ok(error instanceof StartError);
    assert.ok(error.message.startsWith(`broker-a: ${name} on 127.0.0.1 cannot be used: another process listens there`));
    assert.is(driver.network.bound.size, 0, 'nothing is left half-started');
  });
}

fixed('a restarted unit waits for its ports, and takes none in the meantime', () => {
  const driver = Driver.open();
  driver.tellFront('closeUnit', UNIT.brokerA);
  driver.settle();
  driver.network.taken.add(PORT.brokerA - 2);
  driver.forget();
  driver.tellFront('openUnit', UNIT.brokerA);
  driver.settle();
  driver.advance(5000);
  assert.equal(driver.crashes, []);
  assert.equal(driver.heard(ID.brokerA), []);
  assert.is(driver.logs.filter(({ text }) => text.includes('10909')).length, 1);
  driver.network.taken.clear();
  driver.advance(1000);
  assert.equal(driver.kinds(ID.brokerA), ['bound']);
  assert.is(driver.connect(PORT.brokerA).isClosed, false);
});

fixed('a unit that is closed while it waits does not come back', () => {
  const driver = Driver.open();
  driver.tellFront('closeUnit', UNIT.brokerA);
  driver.network.taken.add(PORT.brokerA);
  driver.tellFront('openUnit', UNIT.brokerA);
  driver.settle();
  driver.tellFront('closeUnit', UNIT.brokerA);
  driver.network.taken.clear();
  driver.advance(5000);
  assert.is(driver.network.bound.has(PORT.brokerA), false);
});

fixed('what the operator should do depends on the code', () => {
  const role = { role: 'broker-a', host: '10.0.0.1' };
  for (const [code, text] of [
    ['EACCES', /above 1023/],
    ['EADDRNOTAVAIL', /10\.0\.0\.1 is no address of this machine/],
    ['ENOTFOUND', /has no address/],
    ['ERANGE', /1 to 65535/],
    ['EWHATEVER', /EWHATEVER/],
  ] as const) {
    const { message } = bindFailure(role, PORT_KIND.main, 80, code);
    assert.match(message, text);
    assert.not.match(message, /\n/);
  }
});

fixed.run();

const ephemeral = suite('front: ephemeral ports');

ephemeral('the first free port whose neighbours are free too', () => {
  const driver = new Driver({ isEphemeral: true });
  driver.network.picks.push(1, 65_535, 40_010, 40_020, 40_030);
  driver.network.taken.add(40_008);
  driver.network.taken.add(40_021);
  driver.tellFront('openUnit', UNIT.brokerA);
  driver.settle();
  assert.equal(driver.heard(ID.brokerA), [{ kind: 'bound', port: 40_030, vipPort: 40_028, haPort: 40_031 }]);
  assert.equal([...driver.network.bound.keys()].sort(), [40_028, 40_030, 40_031]);
});

ephemeral('after a restart the same ones again', () => {
  const driver = Driver.open({ isEphemeral: true });
  const ports = [...driver.network.bound.keys()].sort();
  driver.forget();
  driver.tellFront('closeUnit', UNIT.brokerA);
  driver.settle();
  driver.tellFront('openUnit', UNIT.brokerA);
  driver.settle();
  assert.equal([...driver.network.bound.keys()].sort(), ports);
});

ephemeral('gives up after a number of tries', () => {
  const driver = new Driver({ isEphemeral: true });
  for (let port = 30_000; port < 60_000; port += 2) driver.network.taken.add(port);
  for (let i = 0; i < 200; i++) driver.network.picks.push(30_001 + i * 4);
  driver.tellFront('openUnit', UNIT.brokerA);
  driver.settle();
  assert.is(driver.crashes.length, 1);
  assert.match(driver.crashes[0].message, /broker-a: .* cannot be used/);
});

ephemeral.run();
