/** For tests that end threads in the middle of their work. */
import { setFlagsFromString } from 'node:v8';

/**
 * Node 20 aborts the process (NodePlatform::GetForegroundTaskRunner) when a thread is terminated while its optimizing
 * compiler is at work on a thread of its own. Holds for threads that are started from now on.
 */
export function withoutCompilersOnOtherThreads(): void {
  setFlagsFromString('--no-concurrent-recompilation');
}
