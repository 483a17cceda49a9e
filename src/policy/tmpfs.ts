import { formatSize } from '../lib/units.ts';
import type { Decisions } from './decisions.ts';
import type { EffectiveRights } from './default-rights.ts';
import { limits, type Mount } from './profile.ts';
import type { Request } from './request.ts';

/** A tmpfs of the app's own: never with programs, devices or set-user bits, and of a size that is known. */
export function grantTmpfs(request: Request, destination: string, options: readonly string[], rights: Pick<EffectiveRights, 'tmpfs'>, decide: Decisions): Mount | undefined {
  const modes = options.filter((option) => option.startsWith('mode='));
  if (modes.some((mode) => !/^mode=[01]?[0-7]{3}$/.test(mode))) {
    decide.refused(request.path, request.all, `${modes.join(',')}: only permissions and the sticky bit can be said`);
    return undefined;
  }
  const isSaid = options.some((option) => option.startsWith('size='));
  const asked = isSaid ? sizeOf(options) : Math.min(limits.tmpfsBytes.default, rights.tmpfs);
  // Zero would be no limit at all.
  if (asked === undefined || asked === 0) {
    decide.refused(request.path, request.all, 'its size is not a number of bytes above 0');
    return undefined;
  }
  const bytes = Math.min(asked, rights.tmpfs);
  if (asked > bytes) decide.limited(request.path, request.all, `its size is more than the ${formatSize(rights.tmpfs)} of the rights (rights: tmpfs)`, bytes);
  else decide.granted(request.path, request.all);
  const readOnly = options.includes('ro') ? ['ro'] : [];
  return { destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'noexec', ...readOnly, modes.at(-1) ?? 'mode=755', `size=${bytes}`] };
}

/** The option `size=` of tmpfs(5), in bytes; undefined if there is none that is a number with k, m or g. The last one counts. */
export function sizeOf(options: readonly string[]): number | undefined {
  const match = /^size=(\d{1,15})([kmg]?)$/i.exec(options.findLast((option) => option.startsWith('size=')) ?? '');
  return match === null ? undefined : Number(match[1]) * 1024 ** ['', 'k', 'm', 'g'].indexOf(match[2]!.toLowerCase());
}
