import { chmodSync, lchownSync, lutimesSync, type BigIntStats } from 'node:fs';

/** Which file it is, among all there are at this moment. */
export function identity({ dev, ino }: BigIntStats): string {
  return `${dev}:${ino}`;
}

/**
 * Type and permission bits that a copy gets: without set-user-ID and set-group-ID of files. In an app, which gains no
 * privileges by execve(2), they mean nothing, and Berth makes no privileged program.
 */
function keptMode(stat: BigIntStats): bigint {
  return stat.isFile() ? stat.mode & ~0o6000n : stat.mode;
}

/** Gives what is at `path`, which is Berth's own, the owner, mode and times of another file. */
export function setAttributes(path: Buffer, stat: BigIntStats): void {
  lchownSync(path, Number(stat.uid), Number(stat.gid));
  if (!stat.isSymbolicLink()) chmodSync(path, Number(keptMode(stat) & 0o7777n));
  lutimesSync(path, Number(stat.atimeNs) / 1e9, Number(stat.mtimeNs) / 1e9);
}

/** True if a copy has the size (of a file) and the attributes of the other one. Times are kept to a microsecond. */
export function hasAttributes(copy: BigIntStats, stat: BigIntStats): boolean {
  return (
    (stat.isDirectory() || copy.size === stat.size) && copy.mode === keptMode(stat) && copy.uid === stat.uid && copy.gid === stat.gid &&
    Math.abs(Number(copy.mtimeNs - stat.mtimeNs)) < 1000
  );
}
