/**
 * A uvu suite whose tests are the steps of one store's life, in order: each hands the directory to the next broker. Once
 * a step has failed the ones after it fail at once and say so.
 */
import { suite } from 'uvu';
import { javaTools } from '../../support/apache-toolchain.js';
import { type Settings, StoreHome } from './store-home.js';

export interface StoreLife {
  step(name: string, body: (home: StoreHome) => Promise<void>): void;
  /** After the last step, also when one has failed. */
  after(cleanUp: () => Promise<void>): void;
  run(): void;
}

export async function storeLife(name: string, settings: Settings = {}): Promise<StoreLife> {
  const { missing } = await javaTools();
  const tests = suite(name);
  let home: Promise<StoreHome> | undefined;
  let failed: string | undefined;
  tests.after(async () => await (await home)?.remove());
  return {
    step(title, body) {
      if (missing !== undefined) {
        process.stdout.write(`SKIPPED, because ${missing}: ${name}: ${title}\n`);
        return;
      }
      tests(title, async () => {
        if (failed !== undefined) throw new Error(`not tried, because "${failed}" failed`);
        home ??= StoreHome.create(settings);
        try {
          await body(await home);
        } catch (error) {
          failed = title;
          throw error;
        }
      });
    },
    after: (cleanUp) => tests.after(cleanUp),
    run: () => tests.run(),
  };
}
