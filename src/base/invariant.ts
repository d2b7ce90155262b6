/**
 * States what must hold. A failure is a bug in Hangar, not a fact of life: the actor that meets it crashes
 * and its supervisor restarts it.
 */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Throws InvariantError with `what` and the values unless `condition` holds. */
export function invariant(condition: boolean, what: string, ...values: readonly unknown[]): asserts condition {
  if (!condition) throw new InvariantError(values.length === 0 ? what : `${what}: ${values.map(String).join(', ')}`);
}

/** For the default branch of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new InvariantError(`unreachable value: ${String(value)}`);
}
