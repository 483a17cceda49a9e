import { statfs } from 'node:fs/promises';
import { BerthError } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';

export interface Room {
  readonly bytes: number;
  readonly inodes: number;
}

/** Kept free for the database, logs and what apps write meanwhile. */
export const reserve: Room = { bytes: 4 * 1024 ** 2, inodes: 64 };

/** What root may still use (statfs(2)); file systems without a fixed number of inodes have no end of them. */
export async function freeRoom(path: string): Promise<Room> {
  const { bavail, bsize, files, ffree } = await statfs(path);
  return { bytes: bavail * bsize, inodes: files === 0 ? Number.MAX_SAFE_INTEGER : ffree };
}

/** @throws BerthError `no_space` saying how much is needed and how much there is */
export function requireRoom(needs: Room, free: Room, purpose: string): void {
  const bytes = needs.bytes + reserve.bytes;
  const inodes = needs.inodes + reserve.inodes;
  if (bytes <= free.bytes && inodes <= free.inodes) return;
  const lacking = bytes > free.bytes ? `${formatSize(bytes)}, and ${formatSize(free.bytes)} are free` : `${inodes} files and directories, and ${free.inodes} can still be made`;
  throw new BerthError('no_space', `not enough room ${purpose}: it takes ${lacking}. Remove apps that are not needed, or their data`, { detail: { needs, free, reserve } });
}
