import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Language, languageName, OUR_VERSION, versionText } from '../../src/remoting/version.js';

const versions = suite('version: ordinals of MQVersion.java');

versions('names releases and snapshots', () => {
  const known: readonly [number, string][] = [
    [0, 'V3_0_0_SNAPSHOT'],
    [8, 'V3_0_0_BETA6'],
    [15, 'V3_0_0_FINAL'],
    [17, 'V3_0_1'],
    [37, 'V3_0_11'],
    [45, 'V3_0_15'],
    [46, 'V3_1_0_SNAPSHOT'],
    [62, 'V3_1_8_SNAPSHOT'],
    [85, 'V3_2_9'],
    [87, 'V3_3_1'],
    [121, 'V3_4_9'],
    [211, 'V3_9_9'],
    [213, 'V4_0_0'],
    [232, 'V4_1_0_SNAPSHOT'],
    [293, 'V4_4_0'],
    [317, 'V4_5_2'],
    [333, 'V4_6_0'],
    [401, 'V4_9_4'],
    [OUR_VERSION, 'V4_9_7'],
    [413, 'V5_0_0'],
    [479, 'V5_3_3'],
    [611, 'V5_9_9'],
    [612, 'HIGHER_VERSION'],
    [100_000, 'HIGHER_VERSION'],
    [-5, 'V3_0_0_SNAPSHOT'],
  ];
  for (const [ordinal, name] of known) assert.is(versionText(ordinal), name);
});

versions('has a distinct name for every ordinal', () => {
  const names = new Set(Array.from({ length: 613 }, (_, ordinal) => versionText(ordinal)));
  assert.is(names.size, 613);
});

versions('names languages and calls what it does not know OTHER', () => {
  assert.is(languageName(Language.GO), 'GO');
  assert.is(languageName(Language.RUST), 'RUST');
  assert.is(languageName(13), 'NODE_JS');
  assert.is(languageName(77), 'OTHER');
  assert.is(languageName(-1), 'OTHER');
});

versions.run();
