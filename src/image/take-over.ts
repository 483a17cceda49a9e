import { closeSync, constants, fchmodSync, fchownSync, fstatSync, openSync, readdirSync } from 'node:fs';
import { directoryFlags, pathIn } from '../lib/directory.ts';
import { BerthError, isErrno } from '../lib/errors.ts';
import { imageNames } from './image-names.ts';

const fileFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** What the caller takes of each image: what says which image it is, and the way to its files. */
const parts: Readonly<Record<string, { readonly flags: number; readonly mode: number; readonly isNeeded: boolean }>> = {
  [imageNames.manifest]: { flags: fileFlags, mode: 0o644, isNeeded: true },
  [imageNames.signature]: { flags: fileFlags, mode: 0o644, isNeeded: false },
  [imageNames.bundle]: { flags: directoryFlags, mode: 0o711, isNeeded: true },
};

/**
 * Takes the directory `target`, and what holds the images in it, from the process that unpacked them, which is gone:
 * from here on only root changes them. What lies in the bundles is the apps' own already.
 * @param count so many images are in it, each in a directory that is named by its number
 * @throws BerthError `internal` if the process left something else
 */
export function takeOver(target: string, count: number): void {
  take(undefined, target, directoryFlags, 0o711, (directory) => {
    for (let image = 0; image < count; image += 1) take(directory, String(image), directoryFlags, 0o711, takeImage);
  });
}

function takeImage(directory: number): void {
  const others = readdirSync(`/proc/self/fd/${directory}`).filter((name) => parts[name] === undefined);
  if (others.length > 0) throw unexpected(others[0]!);
  for (const [name, { flags, mode, isNeeded }] of Object.entries(parts)) take(directory, name, flags, mode, () => undefined, isNeeded);
}

/** Makes one name root's, and then looks into it. No link is followed. */
function take(parent: number | undefined, name: string, flags: number, mode: number, inner: (descriptor: number) => void, isNeeded = true): void {
  let descriptor: number;
  try {
    descriptor = openSync(parent === undefined ? name : pathIn(parent, name), flags);
  } catch (error) {
    if (isErrno(error, 'ENOENT') && !isNeeded) return;
    throw isErrno(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO') ? unexpected(name) : error;
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isDirectory() && (!stat.isFile() || stat.nlink !== 1)) throw unexpected(name);
    fchownSync(descriptor, 0, 0);
    fchmodSync(descriptor, mode);
    inner(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function unexpected(name: string): BerthError {
  return new BerthError('internal', `the process that unpacks packages left something else than an image: ${JSON.stringify(name)}; nothing of the payload was kept`);
}
