/**
 * Faults of the disk, for tests. If the environment variable BERTH_TEST_FAULTS names a directory, every durable
 * operation, whichever of berthd's processes is about to do it, first adds a line to the file `operations` there. The
 * file `fault` says which of them fail, and how: `3 EIO` the third, `3+ EROFS` the third and all that follow. With a text,
 * those are counted whose line contains it: `2+ EROFS remove /` means the second removal and whatever follows it. Several
 * apps write at the same time, so a number alone means another operation in every run. Without the variable nothing of
 * this happens.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { getSystemErrorMessage } from 'node:util';
import { isErrno } from './errors.ts';

/** The functions of `lib/durable.ts`, and a transaction of the database. */
export type DurableOperation = 'publish' | 'remove' | 'replace' | 'sync' | 'syncfs' | 'transaction';

/** Where they are told, if they are: children must get there too. */
export function faultDirectory(): readonly string[] {
  const directory = process.env['BERTH_TEST_FAULTS'];
  return directory === undefined ? [] : [directory];
}

/** @throws the error of the system that a test wants in place of this operation */
export function failIfTold(operation: DurableOperation, path: string | Buffer): void {
  const directory = process.env['BERTH_TEST_FAULTS'];
  if (directory === undefined) return;
  const operations = join(directory, 'operations');
  const line = `${process.pid} ${operation} ${path.toString()}`;
  appendFileSync(operations, `${line}\n`);
  // Other processes may have added theirs since; this one has not. A test may have begun to count anew.
  const lines = readIfThere(operations).split('\n');
  const fault = faultOf(readIfThere(join(directory, 'fault')), lines.slice(0, lines.lastIndexOf(line) + 1));
  if (fault === undefined) return;
  const errno = -constants.errno[fault];
  throw Object.assign(new Error(`${fault}: ${getSystemErrorMessage(errno)}, ${operation} '${path.toString()}'`), { code: fault, errno, syscall: operation });
}

/** @param lines those of the operations so far; the last one is judged */
function faultOf(text: string, lines: readonly string[]): keyof typeof constants.errno | undefined {
  const [, from, andAfter, name, what = ''] = /^(\d+)(\+?) ([A-Z]+)(?: (.+))?$/.exec(text.trim()) ?? [];
  const count = lines.filter((line) => line.includes(what)).length;
  const isTold = andAfter === '+' ? count >= Number(from) : count === Number(from) && lines.at(-1)!.includes(what);
  return isTold ? (name as keyof typeof constants.errno) : undefined;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return '';
    throw error;
  }
}
