import { BerthError } from '../lib/errors.ts';

/** The child's side of `openCopy`: told the job by its argument, each pass by a line on standard input. */
export function copyWorkerMain(argv: readonly string[]): Promise<void> {
  return Promise.reject(new BerthError('unsupported', `copying is not there yet: ${argv[0] ?? ''}`));
}
