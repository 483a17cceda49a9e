import { statfs } from 'node:fs/promises';
import { BerthError } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';

export interface Room {
  readonly bytes: number;
  readonly inodes: number;
}

/** Kept free for the database, logs and what apps write meanwhile. */
export const reserve: Room = { bytes: 4 * 1024 ** 2, inodes: 64 };

/**
 * What updates may use: what root may (statfs(2)), without the reserve. File systems without a fixed number of inodes
 * have no end of them.
 */
export async function freeRoom(path: string): Promise<Room> {
  const { bavail, bsize, files, ffree } = await statfs(path);
  return {
    bytes: Math.max(bavail * bsize - reserve.bytes, 0),
    inodes: files === 0 ? Number.MAX_SAFE_INTEGER : Math.max(ffree - reserve.inodes, 0),
  };
}

/** @throws BerthError `no_space` saying how much is needed and how much there is */
export function requireRoom(needs: Room, free: Room, purpose: string): void {
  if (needs.bytes <= free.bytes && needs.inodes <= free.inodes) return;
  const lacking = needs.bytes > free.bytes
    ? `${formatSize(needs.bytes)}, and ${formatSize(free.bytes)} are free for updates`
    : `${needs.inodes} files and directories, and ${free.inodes} can still be made`;
  throw new BerthError('no_space', `not enough room ${purpose}: it takes ${lacking}. Remove apps that are not needed, or their data`, { detail: { needs, free } });
}
