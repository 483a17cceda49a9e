import type { Decisions } from './decisions.ts';
import { stepTo } from '../lib/json-path.ts';
import type { Request } from './request.ts';
import type { Rights } from './rights.ts';

/** The sets of capabilities(7) as OCI names them; each lies within those before it that the kernel holds it to. */
const sets = ['bounding', 'permitted', 'effective', 'inheritable', 'ambient'] as const;
export type CapabilitySets = Readonly<Record<(typeof sets)[number], readonly string[]>>;

/** `process.capabilities`: of each set what is asked for and among the rights. */
export function grantCapabilities(request: Request | undefined, rights: Pick<Rights, 'capabilities'>, decide: Decisions): CapabilitySets {
  const [bounding, permitted, effective, inheritable, ambient] = sets.map((name) => grantSet(request, name, rights.capabilities ?? [], decide)) as [string[], string[], string[], string[], string[]];
  return {
    bounding,
    permitted,
    // What the kernel would refuse to set (capset(2), PR_CAP_AMBIENT_RAISE of prctl(2)).
    effective: effective.filter((name) => permitted.includes(name)),
    inheritable: inheritable.filter((name) => bounding.includes(name)),
    ambient: ambient.filter((name) => permitted.includes(name) && inheritable.includes(name)),
  };
}

function grantSet(request: Request | undefined, name: (typeof sets)[number], allowed: readonly string[], decide: Decisions): string[] {
  const asked = request?.strings(name) ?? [];
  return asked.filter((capability, index) => {
    const path = stepTo(request!.at(name), index);
    const isAllowed = allowed.includes(capability);
    if (isAllowed) decide.granted(path, capability);
    else decide.refused(path, capability, `${capability} is not among the rights of the app (rights: capabilities)`);
    return isAllowed && asked.indexOf(capability) === index;
  });
}
