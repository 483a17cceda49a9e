import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isErrno } from '../lib/errors.ts';
import type { HostPlaces } from './look.ts';
import { splitNumber, type DeviceNode } from './node.ts';

/**
 * Tells of a block device whether the machine itself uses it: it, a part of it, or the disk that it is a part of is
 * mounted, swap, or a part of another device (LVM, RAID, encryption). Two who write to one disk destroy it.
 */
export function inUse({ proc, sys }: Pick<HostPlaces, 'proc' | 'sys'>): (node: Pick<DeviceNode, 'type' | 'major' | 'minor'>) => boolean {
  const treeOf = (number: string): string | undefined => ifThere(() => realpathSync(join(sys, 'dev/block', number)));
  // Read for the first block device, which most machines never lend.
  let used: readonly string[] | undefined;
  return ({ type, major, minor }) => {
    if (type !== 'b') return false;
    used ??= [...mounted(join(proc, 'self/mountinfo')), ...swap(join(proc, 'swaps'))];
    const number = `${major}:${minor}`;
    const tree = treeOf(number);
    if (tree === undefined) return used.includes(number);
    const usedTrees = used.flatMap((other) => treeOf(other) ?? []);
    const family = [tree, ...(existsSync(join(tree, 'partition')) ? [join(tree, '..')] : []), ...partsOf(tree)];
    return usedTrees.some((other) => isWithin(other, tree) || isWithin(tree, other)) || family.some((member) => namesIn(join(member, 'holders')).length > 0);
  };
}

/** Numbers of what is mounted: proc_pid_mountinfo(5), third field; some file systems have a number of their own there, and the device as source. */
function mounted(path: string): readonly string[] {
  return linesOf(path).flatMap((line) => {
    const [, , number = ''] = line.split(' ');
    const [, , source = ''] = line.slice(line.indexOf(' - ') + 1).split(' ');
    return [number, ...numberAt(source)];
  });
}

/** proc_swaps(5): the first field, below a title. */
function swap(path: string): readonly string[] {
  return linesOf(path).slice(1).flatMap((line) => numberAt(line.split(/\s/)[0] ?? ''));
}

function numberAt(path: string): readonly string[] {
  const stat = path.startsWith('/') ? ifThere(() => statSync(path, { bigint: true })) : undefined;
  if (stat?.isBlockDevice() !== true) return [];
  const { major, minor } = splitNumber(stat.rdev);
  return [`${major}:${minor}`];
}

/** sysfs(5): the parts of a disk are directories in its own that hold a file `partition`. */
function partsOf(tree: string): readonly string[] {
  return namesIn(tree).map((name) => join(tree, name)).filter((path) => existsSync(join(path, 'partition')));
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}

function linesOf(path: string): readonly string[] {
  return (ifThere(() => readFileSync(path, 'utf8')) ?? '').split('\n').filter((line) => line !== '');
}

function namesIn(directory: string): readonly string[] {
  return ifThere(() => readdirSync(directory)) ?? [];
}

function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR', 'ENODEV', 'EACCES')) return undefined;
    throw error;
  }
}
