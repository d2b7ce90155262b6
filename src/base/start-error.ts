/** Why something cannot start, for the operator: one clear line that names role, port or path and what to do. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** Also true for one that came from another thread, where it lost its class. */
export function isStartError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'StartError';
}
