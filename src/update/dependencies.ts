import { formatDepends, parseDepends, satisfies, type Dependency, type DependencyAlternative } from '../image/index.ts';
import { BerthError } from '../lib/errors.ts';

/** Something that satisfies a dependency: an installed app, or a service that the device declares. */
export interface Provided {
  readonly name: string;
  /** Absent for a service without a version: satisfies only what asks for none. */
  readonly version?: string;
}

/** One part of `Depends` that nothing satisfies. */
export interface Missing {
  /** As a package writes it: `broker (>= 2.0) | mqtt`. */
  readonly wanted: string;
  /** Provided things of the right name with the wrong version. */
  readonly found: readonly Provided[];
}

/** What of `depends` is not there. */
export function missingDependencies(depends: readonly Dependency[], provided: readonly Provided[]): readonly Missing[] {
  return depends
    .filter((dependency) => !dependency.some((alternative) => provided.some((item) => isSatisfied(alternative, item))))
    .map((dependency) => ({
      wanted: formatDepends([dependency]),
      found: provided
        .filter((item) => dependency.some((alternative) => alternative.name === item.name))
        .map(({ name, version }) => (version === undefined ? { name } : { name, version })),
    }));
}

/**
 * Parts of a `Depends` that `provided` does not satisfy, and the others, as a package writes them. Where `provided` is
 * undefined, nothing is left open.
 */
export function dependenciesLeftOpen(depends: string, provided: readonly Provided[] | undefined): { readonly wanted: string; readonly others: string } {
  if (provided === undefined) return { wanted: '', others: depends };
  const isOpen = (dependency: Dependency): boolean => missingDependencies([dependency], provided).length > 0;
  const parsed = parseDepends(depends);
  return { wanted: formatDepends(parsed.filter(isOpen)), others: formatDepends(parsed.filter((dependency) => !isOpen(dependency))) };
}

/** @throws BerthError `dependency` that lists all that is missing */
export function requireDependencies(app: string, depends: readonly Dependency[], provided: readonly Provided[]): void {
  const missing = missingDependencies(depends, provided);
  if (missing.length === 0) return;
  const parts = missing.map(({ wanted, found }) => {
    const versions = found.map((item) => `${item.name} ${item.version ?? 'without a version'}`).join(', ');
    return found.length === 0 ? wanted : `${wanted} (there is ${versions})`;
  });
  throw new BerthError(
    'dependency',
    `${app} needs what this device does not have: ${parts.join('; ')}. Install the missing apps first, or declare the platform service in platform.d`,
    { detail: { missing } },
  );
}

function isSatisfied({ name, relation }: DependencyAlternative, item: Provided): boolean {
  if (item.name !== name) return false;
  return relation === undefined || (item.version !== undefined && satisfies(item.version, relation));
}
