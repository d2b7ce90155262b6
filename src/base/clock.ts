/** Where time comes from. The runtime hands actors one that is read once per turn; simulations hand out a virtual one. */
export interface Clock {
  /** Milliseconds since the epoch; may step when the host's clock does. */
  now(): number;
  /** Milliseconds since an arbitrary start, with fractions; never goes back. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
