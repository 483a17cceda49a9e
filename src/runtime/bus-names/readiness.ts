import { BerthError } from '../../lib/errors.ts';
import { run } from '../../lib/process.ts';
import { findProgram } from '../program.ts';
import type { BusUser } from './filter.ts';

/** The program that filters. */
export const filterProgram = 'xdg-dbus-proxy';

export interface Readiness {
  /** Path of the filter. */
  readonly filter: string;
  readonly user: BusUser;
}

/**
 * What names on the system bus need of the host.
 * @param user name of the account that the bus sees
 * @throws BerthError `unavailable` saying what is missing
 */
export async function busNamesReadiness(user: string): Promise<Readiness> {
  const filter = await findProgram(filterProgram);
  if (filter === undefined) throw new BerthError('unavailable', `${filterProgram}, which names on the system bus need, is not installed; install the package ${filterProgram}`);
  const [uid, gid] = await Promise.all([number('-u', user), number('-g', user)]);
  if (uid === undefined || gid === undefined) {
    throw new BerthError('unavailable', `there is no user "${user}", as whom apps are seen on the system bus; make it with \`useradd --system --no-create-home --shell /usr/sbin/nologin ${user}\`, or name another (bus.user)`);
  }
  if (uid === 0) throw new BerthError('usage', `bus.user: apps are not seen on the system bus as root`);
  return { filter, user: { uid, gid } };
}

async function number(option: '-u' | '-g', user: string): Promise<number | undefined> {
  const { code, stdout } = await run('id', [option, '--', user]);
  return code === 0 ? Number(stdout.trim()) : undefined;
}
