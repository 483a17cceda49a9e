import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import { BerthError, isErrno } from '../lib/errors.ts';
import type { Io } from './command.ts';

/** A payload to be read. */
export interface Payload {
  /** What progress calls it. */
  readonly label: string;
  readonly body: Readable;
  /** Undefined for what is no file, such as a pipe. */
  readonly bytes: number | undefined;
}

/** Opens the payload at a path, or standard input for `-`. @throws BerthError `not_found`, `bad_package` */
export async function openPayload(path: string, io: Io): Promise<Payload> {
  if (path === '-') return { label: 'standard input', body: io.stdin, bytes: undefined };
  const bytes = await sizeOf(path);
  return { label: basename(path), body: createReadStream(path), bytes };
}

/**
 * Several packages as one payload, to be applied together or not at all.
 * @throws BerthError `usage` for what cannot be part of a payload; else as {@link openPayload}
 */
export async function openPayloads(paths: readonly string[], io: Io): Promise<Payload> {
  if (paths.length === 1) return openPayload(paths[0]!, io);
  if (paths.includes('-')) throw new BerthError('usage', 'standard input (-) cannot be sent together with other packages; give it alone');
  const files = await Promise.all(
    paths.map(async (path) => {
      const bytes = await sizeOf(path);
      if (bytes === undefined) throw new BerthError('usage', `${path} is not a regular file; only files can be sent together`);
      return { name: basename(path), bytes, open: () => createReadStream(path) };
    }),
  );
  // The package format is loaded only by those who need it.
  const { packPayload, payloadSize } = await import('../image/index.ts');
  return { label: `${files.length} packages`, body: packPayload(files), bytes: payloadSize(files) };
}

/** Undefined for what is there but no regular file. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const status = await stat(path);
    if (status.isDirectory()) throw new BerthError('bad_package', `${path} is a directory, not a package; \`berth build ${path} -o F.ipk\` makes one of it`);
    return status.isFile() ? status.size : undefined;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) throw new BerthError('not_found', `there is no file ${path}`, { cause: error });
    throw error;
  }
}
