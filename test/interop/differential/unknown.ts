/** Requests that a 4.9 broker does not know, those of POP clients among them, and headers that are not quite right. */
import { Code } from './codes.js';
import type { Part } from './part.js';
import type { Script } from './script.js';

/** Handled by name servers, clients, older and newer brokers, or nobody. */
const CODES = [
  0, 1, 9, 13, 16, 18, 19, 20, 22, 23, 24, 27, 39, 44, 47, 48, 55, 60, 61, 99, 100, 103, 105, 106, 205, 206, 209, 210,
  211, 212, 213, 214, 216, 218, 219, 224, 304, 311, 312, 313, 318, 319, 327, 330, 346, 350, 351, 352, 353, 354, 355,
  360, 361, 400, 401, 402, 403, 901, 903, 904, 1001, 2001, 3001, 5001, 10_000, 32_767, -1, -5, 200_050, 200_051,
  200_052, 200_053, 200_054, 200_151, 2_147_483_647,
];

async function run(script: Script): Promise<void> {
  for (const code of CODES) await script.ask(`code ${code}`, code, { topic: 'TBW102' }, { body: 'x' });
  await script.ask('code 400, with the ROCKETMQ serialization', 400, { a: 'b' }, { binary: true });
  await script.ask('code 3442, as which POP arrives', 3442, {}, { binary: true });
  await script.mayAsk('code 400 that wants no answer', 400, {}, { flag: 2 });
  await script.ask(
    'a flag of bits that nobody knows',
    Code.MAX_OFFSET,
    { topic: 'TBW102', queueId: 0 },
    { flag: 1024 },
  );
  for (const language of ['GO', 'CPP', 'DOTNET', 'RUST']) {
    await script.ask(`a question in ${language}`, Code.MAX_OFFSET, { topic: 'TBW102', queueId: 0 }, { language });
  }
  for (const version of [0, 1, 317, 479, 32_767]) {
    await script.ask(`a question of version ${version}`, Code.MAX_OFFSET, { topic: 'TBW102', queueId: 0 }, { version });
  }
}

export const unknown: Part = { name: 'codes that nobody knows', run, intended: [] };
