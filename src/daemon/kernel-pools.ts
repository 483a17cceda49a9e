import { readFileSync, writeFileSync } from 'node:fs';
import { asBerthError } from '../lib/errors.ts';
import type { Journal } from '../lib/journal.ts';

/** More than fits into the memory that any app is granted, which the kernel charges for each of them. */
const beyondMemory = 2 ** 24;

/**
 * Limits of inotify(7) for one user. In a user namespace everything counts for whoever made it as well
 * (kernel/ucount.c), which is the host's root for all apps: by the kernel's 128 instances, one app would take them from
 * all others, from berthd and from the host's own services.
 */
const pools = ['/proc/sys/fs/inotify/max_user_instances', '/proc/sys/fs/inotify/max_user_watches'] as const;

/** Lifts limits that all apps share to where each app's own memory is what bounds it; higher ones stay. */
export function widenPools(journal: Journal, paths: readonly string[] = pools): void {
  for (const path of paths) {
    try {
      if (Number(readFileSync(path, 'utf8')) < beyondMemory) writeFileSync(path, String(beyondMemory));
    } catch (error) {
      journal('warning', `one app can keep others from watching files, since ${path} cannot be raised: ${asBerthError(error).message}`);
    }
  }
}
