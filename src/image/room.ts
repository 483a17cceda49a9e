import { statfsSync } from 'node:fs';
import { BerthError } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';
import type { Free } from './no-space.ts';

/** What an image takes at the least, as its manifest says. */
export interface Room {
  /** Sum of the sizes of files. */
  readonly bytes: number;
  readonly inodes: number;
}

/** What counts in a line of a manifest. Within the text of a path, these quotes would stand behind backslashes. */
const pattern = /,"size":(\d{1,16}),|"type":"hardlink"/g;
/** Longer than any match. */
const overlap = 40;
const newline = 0x0a;

/**
 * Adds up a manifest without parsing it, which for thousands of entries would take a noticeable time. One that is not
 * canonical may be added up wrongly; it is refused later.
 */
export function needOf(chunks: Iterable<Buffer>): Room {
  let [bytes, lines, hardlinks, carried] = [0, 0, 0, ''];
  for (const chunk of chunks) {
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, at + 1)) lines += 1;
    const text = carried + chunk.toString('latin1');
    let end = 0;
    for (const match of text.matchAll(pattern)) {
      end = match.index + match[0].length;
      if (match[1] === undefined) hardlinks += 1;
      else bytes += Number(match[1]);
    }
    carried = text.slice(Math.max(end, text.length - overlap));
  }
  // The first line is no entry; a hard link is a second name of a file.
  return { bytes, inodes: Math.max(0, lines - 1 - hardlinks) };
}

/** What is left for new files on the file system of `path`, without what is kept for its administrator. */
export function freeFor(path: string): Free {
  const { bavail, bsize, files, ffree } = statfsSync(path);
  return { bytes: bavail * bsize, inodes: files === 0 ? undefined : ffree };
}

/**
 * For an image of which nothing has been written yet.
 * @throws BerthError `no_space` with what `app` needs and what there is; `detail` has `missingBytes` or `missingInodes`.
 */
export function requireRoom(app: string, need: Room, free: Free): void {
  if (need.bytes > free.bytes) {
    throw new BerthError('no_space', `no space for ${app}: it needs ${formatSize(need.bytes)}, and ${formatSize(free.bytes)} are free; remove files or apps`, { detail: { missingBytes: need.bytes - free.bytes } });
  }
  if (free.inodes !== undefined && need.inodes > free.inodes) {
    throw new BerthError('no_space', `no inodes for ${app}: it needs ${need.inodes}, and ${free.inodes} are free; remove files or apps`, { detail: { missingInodes: need.inodes - free.inodes } });
  }
}
