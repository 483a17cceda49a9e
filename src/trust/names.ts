import { matches } from '../lib/pattern.ts';

/**
 * How closely patterns mean a name: the number of characters that stand for themselves in the closest, one more if it
 * has no `*`; -1 if none means it.
 */
export function closeness(patterns: readonly string[], name: string): number {
  const fitting = patterns.filter((pattern) => matches(pattern, name));
  return Math.max(-1, ...fitting.map((pattern) => (pattern.includes('*') ? pattern.replaceAll('*', '').length : pattern.length + 1)));
}
