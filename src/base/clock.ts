/** Where time comes from. The runtime hands actors one that is read once per turn; simulations hand out a virtual one. */
export interface Clock {
  /** Milliseconds since the epoch; may step when the host's clock does. */
  now(): number;
  /** Milliseconds since an arbitrary start, with fractions; never goes back. */
  monotonic(): number;
  /** Hour of the day, 0 to 23, where the host is. */
  localHour(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  localHour: () => new Date().getHours(),
};
