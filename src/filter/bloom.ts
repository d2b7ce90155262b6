/**
 * Bit positions that Apache notes for a group's filter in consumerFilter.json. Its broker ignores that file as a whole when
 * the size or the number of positions is not what its own settings give. Source: BloomFilter.java, BloomFilterData.java.
 */
import { mask64, murmur3First64 } from './murmur3.js';

export interface BloomFilter {
  /** Bits of the map that positions lie in. */
  readonly bitCount: number;
  readonly hashCount: number;
}

/** `errorPercent`: maxErrorRateOfBloomFilter. `expected`: expectConsumerNumUseFilter. */
export function bloomFilter(errorPercent: number, expected: number): BloomFilter {
  const errorRate = errorPercent / 100;
  const hashCount = Math.ceil(Math.log(errorRate) / Math.log(0.5));
  const bits = Math.ceil(expected * (Math.log(1 / errorRate) / Math.log(2)) * (Math.log(Math.E) / Math.log(2)));
  return { bitCount: Math.ceil(bits / 8) * 8, hashCount };
}

export function bloomPositions({ bitCount, hashCount }: BloomFilter, key: string): number[] {
  const hash = murmur3First64(Buffer.from(key, 'utf8'));
  const low = Number(BigInt.asIntN(32, hash));
  const high = Number(BigInt.asIntN(32, (hash & mask64) >> 32n));
  return Array.from({ length: hashCount }, (_, i) => {
    const combined = (low + Math.imul(i + 1, high)) | 0;
    return (combined < 0 ? ~combined : combined) % bitCount;
  });
}
