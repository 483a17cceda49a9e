import { BerthError } from '../lib/errors.ts';

/** The user that a bundle's process runs as (OCI runtime specification, "POSIX-platform User"). */
export interface User {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids?: readonly number[];
}

/** The image's own `/etc/passwd` and `/etc/group`; undefined if it has none. */
export interface Accounts {
  readonly passwd: string | undefined;
  readonly group: string | undefined;
}

const helpful = 'give the user as numbers with --user UID[:GID]';

/**
 * `User` of an image (OCI image specification, "Image Configuration": `user`, `uid`, `user:group`, `uid:gid`, and mixed)
 * as numbers.
 * @throws BerthError `bad_package` if a name is not in the image.
 */
export function resolveUser(text: string, accounts: Accounts): User {
  const [user = '', group] = text.split(':');
  if (user === '' && group === undefined) return { uid: 0, gid: 0 };
  // passwd(5): name, password, uid, gid, …
  const account = records(accounts.passwd).find(([name, , uid]) => name === user || uid === user);
  const uid = numberOf(user) ?? numberOf(account?.[2]);
  if (uid === undefined) throw new BerthError('bad_package', `the image's user "${user}" is not in its /etc/passwd; ${helpful}`);
  if (group !== undefined && group !== '') return { uid, gid: resolveGroup(group, accounts) };
  const gid = numberOf(account?.[3]) ?? 0;
  // group(5): name, password, gid, members.
  const additionalGids = records(accounts.group)
    .filter(([, , , members]) => account !== undefined && members?.split(',').includes(account[0]!) === true)
    .flatMap(([, , id]) => numberOf(id) ?? [])
    .filter((id) => id !== gid);
  return additionalGids.length === 0 ? { uid, gid } : { uid, gid, additionalGids };
}

function resolveGroup(group: string, { group: file }: Accounts): number {
  const gid = numberOf(group) ?? numberOf(records(file).find(([name]) => name === group)?.[2]);
  if (gid === undefined) throw new BerthError('bad_package', `the image's group "${group}" is not in its /etc/group; ${helpful}`);
  return gid;
}

function records(text: string | undefined): readonly (readonly string[])[] {
  return (text ?? '').split('\n').map((line) => line.split(':'));
}

function numberOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
