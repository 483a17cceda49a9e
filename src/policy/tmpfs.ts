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
  const bytes = options.some((option) => option.startsWith('size=')) ? grantSize(request, options, rights, decide) : Math.min(limits.tmpfsBytes.default, rights.tmpfs);
  if (bytes === undefined) {
    decide.refused(request.path, request.all, 'its size is not a number of bytes');
    return undefined;
  }
  // A size that is beyond the rights was told.
  if (bytes === (sizeOf(options) ?? bytes)) decide.granted(request.path, request.all);
  const readOnly = options.includes('ro') ? ['ro'] : [];
  return { destination, type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'nodev', 'noexec', ...readOnly, modes.at(-1) ?? 'mode=755', `size=${bytes}`] };
}

/** The size that is asked for, up to the rights; undefined if it is not said, or not as a number. */
export function grantSize(request: Request, options: readonly string[], { tmpfs: most }: Pick<EffectiveRights, 'tmpfs'>, decide: Decisions): number | undefined {
  const asked = sizeOf(options);
  if (asked === undefined || (asked > 0 && asked <= most)) return asked;
  // To the kernel, 0 is no limit at all.
  decide.limited(request.path, request.all, `its size is ${asked === 0 ? 'without bound' : formatSize(asked)}, more than the ${formatSize(most)} of the rights (rights: tmpfs)`, most);
  return most;
}

/** The option `size=` of tmpfs(5), in bytes; undefined if there is none that is a number with k, m or g. The last one counts. */
function sizeOf(options: readonly string[]): number | undefined {
  const match = /^size=(\d{1,15})([kmg]?)$/i.exec(options.findLast((option) => option.startsWith('size=')) ?? '');
  return match === null ? undefined : Number(match[1]) * 1024 ** ['', 'k', 'm', 'g'].indexOf(match[2]!.toLowerCase());
}
