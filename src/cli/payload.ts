import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { BerthError, isErrno } from '../lib/errors.ts';
import type { Io } from './command.ts';

/** A package to be read. */
export interface Payload {
  /** What progress calls it. */
  readonly label: string;
  readonly body: Readable;
  /** Undefined for what is no file, such as a pipe. */
  readonly bytes: number | undefined;
}

/** Opens the package at a path, or standard input for `-`. @throws BerthError `not_found`, `bad_package` */
export async function openPayload(path: string, io: Io): Promise<Payload> {
  if (path === '-') return { label: 'standard input', body: io.stdin, bytes: undefined };
  try {
    const status = await stat(path);
    if (status.isDirectory()) throw new BerthError('bad_package', `${path} is a directory, not a package; \`berth build ${path} -o F.ipk\` makes one of it`);
    return { label: basename(path), body: createReadStream(path), bytes: status.isFile() ? status.size : undefined };
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw new BerthError('not_found', `there is no file ${path}`, { cause: error });
    throw error;
  }
}
