import { isPlainAbsolutePath } from '../image/index.ts';
import { stepTo } from '../lib/json-path.ts';
import type { Decisions } from './decisions.ts';
import type { Request } from './request.ts';

/**
 * `linux.maskedPaths` and `linux.readonlyPaths`: always those of the profile, and what else of the kernel's interfaces an
 * app wants to do without. A list that names fewer is answered by the profile; an empty one asks for no protection.
 */
export function grantKernelPaths(linux: Request | undefined, name: 'maskedPaths' | 'readonlyPaths', always: readonly string[], decide: Decisions): readonly string[] {
  const asked = linux?.strings(name);
  if (asked === undefined) return always;
  const path = linux!.at(name);
  if (asked.length === 0) decide.limited(path, [], `these are ${name === 'maskedPaths' ? 'masked' : 'read-only'} for every app`, always);
  const more = asked.filter((wanted, index) => {
    if (always.includes(wanted)) return false;
    const isKernels = /^\/(proc|sys)\/./.test(wanted) && isPlainAbsolutePath(wanted);
    if (isKernels) decide.granted(stepTo(path, index), wanted);
    else decide.refused(stepTo(path, index), wanted, 'only paths below /proc and /sys are masked or made read-only');
    return isKernels;
  });
  return [...always, ...new Set(more)];
}
