import type { Decisions } from './decisions.ts';
import type { Request } from './request.ts';

/** Namespaces that every app has for itself (OCI field `linux.namespaces`). */
export const ownNamespaces = ['pid', 'mount', 'ipc', 'uts', 'network', 'cgroup', 'user'] as const;

/** Those without which a config asks for the host's. Apps notice nothing of the others, so that few name them. */
const toBeNamed = ['pid', 'mount', 'ipc', 'uts', 'network'] as const;

/**
 * Judges `linux.namespaces`: an app has its own, none of another, and not the host's. A config that does not name a kind
 * asks for the host's.
 * @param networkSaid the app says by annotation how it is on a network; that is judged there
 */
export function judgeNamespaces(requests: readonly Request[], networkSaid: boolean, decide: Decisions): void {
  const named = new Set<string>();
  for (const request of requests) {
    const type = request.string('type') ?? '';
    const path = request.string('path') ?? '';
    if (path !== '') decide.refused(request.at('path'), path, 'an app gets a namespace of its own; it never joins another by path');
    if (!(ownNamespaces as readonly string[]).includes(type)) decide.refused(request.at('type'), type, `there is no namespace of the kind "${type}" among those that an app has for itself (${ownNamespaces.join(', ')})`);
    if (named.has(type)) decide.refused(request.path, request.all, `a second namespace of the kind "${type}"`);
    named.add(type);
  }
  const missing = toBeNamed.filter((type) => !named.has(type) && !(type === 'network' && networkSaid));
  if (missing.length === 0) return;
  decide.limited('linux.namespaces', [...named], `without ${missing.join(', ')} it asks for what the host has of them; an app gets its own`, [...ownNamespaces]);
}
