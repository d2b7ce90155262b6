/** Why something cannot start, for the operator: one clear line that names role, port or path and what to do. */
export class StartError extends Error {
  override readonly name = 'StartError';
}
