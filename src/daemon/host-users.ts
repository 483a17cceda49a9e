import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { BerthError, isErrno } from '../lib/errors.ts';
import { idsPerApp } from '../lib/id-range.ts';
import type { IdPool } from '../store/index.ts';
import type { DoctorCheck } from '../update/index.ts';

/** Files of the host that say whose a user or group is: the fields of a line, and which of them is the first number and how many there are. */
const files = {
  '/etc/passwd': { first: 2, count: undefined },
  '/etc/group': { first: 2, count: undefined },
  '/etc/subuid': { first: 1, count: 2 },
  '/etc/subgid': { first: 1, count: 2 },
} as const;

type UserFile = keyof typeof files;

/** Lines (passwd(5), group(5), subuid(5), subgid(5)) that are about users or groups which are to be apps': `name in file`. */
export function takenIds({ base, count }: IdPool, texts: Readonly<Partial<Record<UserFile, string>>>): readonly string[] {
  const end = base + count * idsPerApp;
  return Object.entries(texts).flatMap(([file, text]) => {
    const fields = files[file as UserFile];
    return text.split('\n').flatMap((line) => {
      const parts = line.split(':');
      const first = Number(parts[fields.first] ?? NaN);
      const after = first + (fields.count === undefined ? 1 : Number(parts[fields.count]));
      return first < end && after > base ? [`${parts[0]} in ${file}`] : [];
    });
  });
}

/** @throws BerthError `usage` if users or groups of the host are to be apps', or apps cannot get to their files below `root` */
export function requireOwnUsers(ids: IdPool, root: string): void {
  const taken = takenIds(ids, read(['/etc/passwd', '/etc/group']));
  if (taken.length > 0) throw new BerthError('usage', `ids: ${taken.join(', ')} would be an app's too; set ids.base to where ${ids.count * idsPerApp} users and groups are free`);
  const closed = closedParent(root);
  if (closed !== undefined) throw new BerthError('usage', `apps, which are other users than root, cannot get to their files in ${root}: ${closed} does not let them through; run \`chmod o+x ${closed}\`, or give another --root`);
}

/** A directory above `path`, or itself, that only its owner or group may pass through. */
function closedParent(path: string): string | undefined {
  for (let at = path; ; at = dirname(at)) {
    if (existsSync(at) && (statSync(at).mode & 0o001) === 0) return at;
    if (at === dirname(at)) return undefined;
  }
}

/** Looks at what user namespaces need of the host. */
export function examineUsers(ids: IdPool): DoctorCheck {
  const name = 'users';
  const last = ids.base + ids.count * idsPerApp - 1;
  const most = read(['/proc/sys/user/max_user_namespaces'])['/proc/sys/user/max_user_namespaces']?.trim();
  if (!existsSync('/proc/self/ns/user')) return { name, outcome: 'failure', found: 'no user namespaces', advice: 'enable CONFIG_USER_NS in the kernel; without it no app runs' };
  if (most !== undefined && Number(most) < 2) {
    return { name, outcome: 'failure', found: `/proc/sys/user/max_user_namespaces is ${most}`, advice: 'raise it to at least two for each app, with sysctl(8)' };
  }
  const taken = takenIds(ids, read(Object.keys(files)));
  if (taken.length > 0) return { name, outcome: 'failure', found: `${taken.join(', ')} overlap the users of apps`, advice: 'set ids.base in berthd.yaml to where users are free, before the first app is installed' };
  return { name, outcome: 'ok', found: `${ids.base} to ${last} are apps', ${idsPerApp} each` };
}

function read(paths: readonly string[]): Record<string, string> {
  return Object.fromEntries(paths.flatMap((path) => {
    try {
      return [[path, readFileSync(path, 'utf8')]];
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) throw error;
      return [];
    }
  }));
}
