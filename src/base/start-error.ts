/** Why something cannot start, for the operator: one clear line that names role, port or path and what to do. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

/** The same where only something is used up or shut: it may start later without anybody looking at it. */
export class NotNowError extends Error {
  override readonly name = 'NotNowError';
}

/** Also true for one that came from another thread, where it lost its class. */
export function isStartError(error: unknown): error is Error {
  return error instanceof Error && (error.name === 'StartError' || error.name === 'NotNowError');
}

export function isNotNow(error: unknown): boolean {
  return error instanceof Error && error.name === 'NotNowError';
}
