import { BerthError } from '../lib/errors.ts';
import type { NeededPaths } from './config.ts';

/** What every container has mounted (OCI runtime specification, "Default Filesystems", and /tmp and /run). */
const standardMountPoints: readonly string[] = ['proc', 'sys', 'dev', 'tmp', 'run'];

type NodeKind = 'dir' | 'symlink' | 'file' | 'hardlink';

/**
 * Directories missing in a rootfs that the runtime would make or mount something on, parents first, without leading
 * slash: the standard ones and those that the app needs. They are made when an image is unpacked, because it never
 * changes later; they are no part of the content manifest, and a check of the image against it leaves them out.
 * @throws BerthError `bad_package` if a mount of the app's own leads over a link or file. The standard ones, the
 * working directory and what the host is mounted on are left alone then.
 */
export function missingDirectories(needed: NeededPaths, kindAt: (path: string) => NodeKind | undefined): readonly string[] {
  const { data, tmpfs, volumes, host, cwd } = needed;
  const missing = new Set<string>();
  for (const path of standardMountPoints) if (kindAt(path) === undefined) missing.add(path);
  for (const path of [...data, ...volumes, ...tmpfs].map((absolute) => absolute.slice(1))) {
    for (const ancestor of withAncestors(path)) {
      const kind = kindAt(ancestor);
      if (kind === undefined) missing.add(ancestor);
      else if (kind !== 'dir') throw new BerthError('bad_package', `config.json: the directory /${path}, on which something is mounted, leads over /${ancestor}, which is a ${kind} in the rootfs`);
    }
  }
  for (const absolute of [...(cwd === undefined ? [] : [cwd]), ...host]) {
    const onTheWay = withAncestors(absolute.slice(1));
    const end = onTheWay.findIndex((path) => ![undefined, 'dir'].includes(kindAt(path)));
    if (end < 0) for (const path of onTheWay) if (kindAt(path) === undefined) missing.add(path);
  }
  for (const directory of parentsOf(needed.files)) if (kindAt(directory) === undefined) missing.add(directory);
  return [...missing];
}

/**
 * Files missing in a rootfs on which the runtime mounts others, without leading slash; empty ones are made as the
 * directories are. Where a link is on the way, the image decides what is there.
 */
export function missingFiles({ files }: NeededPaths, kindAt: (path: string) => NodeKind | undefined): readonly string[] {
  const isReal = (directory: string): boolean => [undefined, 'dir'].includes(kindAt(directory));
  return files.map((path) => path.slice(1)).filter((path) => kindAt(path) === undefined && parentsOf([path]).every(isReal));
}

/** Every path that {@link missingDirectories} and {@link missingFiles} may give. */
export function allNeededPaths(needed: NeededPaths): { readonly directories: readonly string[]; readonly files: readonly string[] } {
  return { directories: missingDirectories(needed, () => undefined), files: missingFiles(needed, () => undefined) };
}

/** The directories that hold these paths. */
function parentsOf(paths: readonly string[]): readonly string[] {
  return paths.map((path) => path.replace(/^\//, '').replace(/\/[^/]*$/, ''));
}

/** `a`, `a/b`, `a/b/c` for `a/b/c`. */
function withAncestors(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
