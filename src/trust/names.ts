/** Whether a pattern of `apps` means this name: `*` stands for any text, also none; all else for itself. */
export function isNamedBy(pattern: string, name: string): boolean {
  const [first = '', ...rest] = pattern.split('*');
  if (rest.length === 0) return pattern === name;
  const last = rest.pop()!;
  if (!name.startsWith(first) || name.length < first.length + last.length || !name.endsWith(last)) return false;
  // What is between, from left to right: the first place for each is as good as any other.
  const end = name.length - last.length;
  let at = first.length;
  for (const part of rest) {
    const found = name.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}

/**
 * How closely patterns mean a name: the number of characters that stand for themselves in the closest, one more if it
 * has no `*`; -1 if none means it.
 */
export function closeness(patterns: readonly string[], name: string): number {
  const fitting = patterns.filter((pattern) => isNamedBy(pattern, name));
  return Math.max(-1, ...fitting.map((pattern) => (pattern.includes('*') ? pattern.replaceAll('*', '').length : pattern.length + 1)));
}
