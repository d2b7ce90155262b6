/**
 * Seeded random numbers (sfc32). One seed replays one simulation or one fuzz run exactly.
 * Source: PractRand's sfc, public domain.
 */
export interface Prng {
  /** Uniform integer in [0, bound). */
  below(bound: number): number;
  /** Uniform in [0, 1). */
  unit(): number;
  /** True with the given probability. */
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** An independent generator, so that one consumer's draws do not shift another's. */
  fork(): Prng;
}

export function prng(seed: number): Prng {
  let a = 0x9e3779b9 | 0;
  let b = seed | 0;
  let c = Math.floor(seed / 0x1_0000_0000) | 0;
  let counter = 1;
  const next = (): number => {
    const sum = (a + b) | 0;
    const result = (sum + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + result;
    c |= 0;
    return result >>> 0;
  };
  for (let round = 0; round < 12; round++) next();
  const self: Prng = {
    below: (bound) => Math.floor((next() / 0x1_0000_0000) * bound),
    unit: () => next() / 0x1_0000_0000,
    chance: (probability) => next() / 0x1_0000_0000 < probability,
    pick: (from) => from[self.below(from.length)]!,
    fork: () => prng(next()),
  };
  return self;
}
