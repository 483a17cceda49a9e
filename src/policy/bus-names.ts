import type { LaunchSettings } from '../image/index.ts';
import type { Decisions } from './decisions.ts';
import type { BusNameRight, Rights } from './rights.ts';

/** Names that no policy gives an app: over these, Berth itself is managed. */
const berthsOwn = 'org.berth';

/**
 * The names on the system bus that an app may call or be. Each name is decided by itself: of a list, some may be granted.
 * The right to be a name includes nothing of calling it, and the other way round.
 */
export function grantBusNames(asked: Pick<LaunchSettings, 'busTalk' | 'busOwn'>, rights: Pick<Rights, 'busNames'>, decide: Decisions): readonly BusNameRight[] {
  const requests = [
    ...asked.busTalk.map((name): BusNameRight => ({ name, access: 'talk' })),
    ...asked.busOwn.map((name): BusNameRight => ({ name, access: 'own' })),
  ];
  return requests.filter((request) => {
    const { name, access } = request;
    const path = `annotations["org.berth.bus.${access}"]`;
    const isGranted = !isBerths(name) && (rights.busNames ?? []).some((right) => right.access === access && covers(right.name, name));
    if (isGranted) decide.granted(path, name);
    else if (isBerths(name)) decide.refused(path, name, `${name}: Berth's own management is never granted to an app`);
    else decide.refused(path, name, `the policy does not let this app ${access === 'own' ? 'be' : 'call'} ${name} on the system bus (rights: bus-names, access: ${access})`);
    return isGranted;
  });
}

/** Also for a pattern that names of Berth's match. */
function isBerths(name: string): boolean {
  return covers(`${berthsOwn}.*`, name) || covers(name, `${berthsOwn}.Manager1`);
}

/** True if whatever `name` (a name, or a pattern `org.example.*`) stands for is in `right`. */
function covers(right: string, name: string): boolean {
  if (right === name) return true;
  return right.endsWith('.*') && name.startsWith(right.slice(0, -1));
}
