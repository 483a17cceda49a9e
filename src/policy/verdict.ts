import { BerthError } from '../lib/errors.ts';
import type { Decision } from './rights.ts';

/** Most refused fields that a message names; all of them are in its detail. */
const mostNamed = 50;

/**
 * Nothing of an app's request is refused.
 * @param origin whence its rights are
 * @throws BerthError `denied` naming every refused field by its JSON path; the decisions are in `detail.refused`
 */
export function requireGranted(app: string, decisions: readonly Decision[], origin: string): void {
  const refused = decisions.filter(({ verdict }) => verdict === 'refused');
  if (refused.length === 0) return;
  const named = byReason(refused.slice(0, mostNamed)).join('; ');
  const more = refused.length > mostNamed ? `; and ${refused.length - mostNamed} more` : '';
  throw new BerthError('denied', `${app} asks in its config.json for what it is not granted: ${named}${more}. Its rights come from ${origin}; docs/rights.md says how to change them`, { detail: { refused } });
}

/** `PATH: why`. */
export function describeDecision({ path, why }: Pick<Decision, 'path' | 'why'>): string {
  return `${path}: ${why ?? ''}`;
}

/** `PATH, PATH: why`: what has the same reason is told once, such as a capability that is asked for in five sets. */
function byReason(decisions: readonly Decision[]): readonly string[] {
  const groups = Map.groupBy(decisions, ({ why }) => why);
  return [...groups].map(([why, of]) => describeDecision({ path: of.map(({ path }) => path).join(', '), ...(why === undefined ? {} : { why }) }));
}
