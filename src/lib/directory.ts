import { constants } from 'node:fs';

/*
 * Work in directories that somebody else may be changing at the same time. Node has no openat(2), but a path that begins
 * with a descriptor in /proc/self/fd goes on from that very directory, wherever it was moved and whatever took its
 * place. Only the one name after it is looked up, so nothing leads elsewhere as long as that one is not followed.
 */

/** Flags for `open`: a directory by its last name, and nothing else. */
export const directoryFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

/**
 * Options for `opendir`: names come byte for byte, one character for each, since not all of them are UTF-8; and few at
 * a time, however many there are.
 */
export const rawNames = { encoding: 'latin1', bufferSize: 256 } as const;

/** Path of a directory that is open in this process. */
export function pathOf(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}

/** Path of a name, read with {@link rawNames}, in a directory that is open in this process. */
export function pathIn(descriptor: number, name: string): Buffer {
  return Buffer.from(`${pathOf(descriptor)}/${name}`, 'latin1');
}

/** A name read with {@link rawNames}, or a path of such names, as text for people. */
export function nameText(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8');
}
