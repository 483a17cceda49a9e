import { BerthError } from '../lib/errors.ts';

/** What every container has mounted (OCI runtime specification, "Default Filesystems", and /tmp and /run). */
const standardMountPoints: readonly string[] = ['proc', 'sys', 'dev', 'tmp', 'run'];

type NodeKind = 'dir' | 'symlink' | 'file' | 'hardlink';

/**
 * Directories missing in a rootfs where the runtime will mount something, parents first, without leading slash: the
 * standard ones and the app's own (`paths`). They are made when an image is unpacked, because it never changes later;
 * they are no part of the content manifest, and a check of the image against it leaves them out.
 * @throws BerthError `bad_package` if one of `paths` leads over a link or file. Standard ones that do are left alone.
 */
export function missingMountPoints(paths: readonly string[], kindAt: (path: string) => NodeKind | undefined): readonly string[] {
  const missing = new Set<string>();
  for (const path of standardMountPoints) if (kindAt(path) === undefined) missing.add(path);
  for (const path of paths.map((absolute) => absolute.slice(1))) {
    for (const ancestor of withAncestors(path)) {
      const kind = kindAt(ancestor);
      if (kind === undefined) missing.add(ancestor);
      else if (kind !== 'dir') throw new BerthError('bad_package', `config.json: the directory /${path}, on which something is mounted, leads over /${ancestor}, which is a ${kind} in the rootfs`);
    }
  }
  return [...missing];
}

/** Every path that {@link missingMountPoints} may give. */
export function allMountPoints(paths: readonly string[]): readonly string[] {
  return missingMountPoints(paths, () => undefined);
}

/** `a`, `a/b`, `a/b/c` for `a/b/c`. */
function withAncestors(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}
