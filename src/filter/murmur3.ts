/** MurmurHash3 x64 128 with seed 0, its first 64 bits. Source: Guava's Hashing.murmur3_128, Austin Appleby's reference. */
export const mask64 = 2n ** 64n - 1n;

const C1 = 0x87c37b91114253d5n;
const C2 = 0x4cf5ad432745937fn;
const BLOCK_BYTES = 16;

export function murmur3First64(bytes: Buffer): bigint {
  let h1 = 0n;
  let h2 = 0n;
  let at = 0;
  for (; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) {
    h1 = add(multiply(add(rotate(h1 ^ mixFirst(bytes.readBigUInt64LE(at)), 27n), h2), 5n), 0x52dce729n);
    h2 = add(multiply(add(rotate(h2 ^ mixSecond(bytes.readBigUInt64LE(at + 8)), 31n), h1), 5n), 0x38495ab5n);
  }
  const tail = Buffer.alloc(BLOCK_BYTES);
  bytes.copy(tail, 0, at);
  h1 ^= mixFirst(tail.readBigUInt64LE(0));
  h2 ^= mixSecond(tail.readBigUInt64LE(8));
  const length = BigInt(bytes.length);
  h1 = add(h1 ^ length, h2 ^ length);
  h2 = add(h2 ^ length, h1);
  return add(finish(h1), finish(h2));
}

function mixFirst(k: bigint): bigint {
  return multiply(rotate(multiply(k, C1), 31n), C2);
}

function mixSecond(k: bigint): bigint {
  return multiply(rotate(multiply(k, C2), 33n), C1);
}

function finish(hash: bigint): bigint {
  let k = hash;
  k = multiply(k ^ (k >> 33n), 0xff51afd7ed558ccdn);
  k = multiply(k ^ (k >> 33n), 0xc4ceb9fe1a85ec53n);
  return k ^ (k >> 33n);
}

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & mask64;
}

function multiply(a: bigint, b: bigint): bigint {
  return (a * b) & mask64;
}

function add(a: bigint, b: bigint): bigint {
  return (a + b) & mask64;
}
