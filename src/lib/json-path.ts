/** A name in an object, or an index in an array. */
export type Step = string | number;

/** A name that a JSON path can hold as it is, after a dot. */
const plainName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The JSON path of a place in a document: `process.rlimits[0]`, `annotations["org.berth.data"]`. */
export function pathOf(steps: readonly Step[]): string {
  return steps.reduce<string>((path, step) => stepTo(path, step), '');
}

/** The path of what is one step further. */
export function stepTo(path: string, step: Step): string {
  if (typeof step === 'number') return `${path}[${step}]`;
  if (!plainName.test(step)) return `${path}[${JSON.stringify(step)}]`;
  return path === '' ? step : `${path}.${step}`;
}

/**
 * True if a pattern names this path, or an object or array that the path lies in. `*` stands for any one name or index:
 * `mounts[*]`, `linux.resources.*`.
 */
export function jsonPathMatches(pattern: string, path: string): boolean {
  const wanted = stepsOf(pattern);
  const found = stepsOf(path);
  return wanted.length > 0 && wanted.length <= found.length && wanted.every((name, index) => name === '*' || name === found[index]);
}

/** True for a text that can be matched as a pattern. */
export function isJsonPathPattern(text: string): boolean {
  try {
    return stepsOf(text).length > 0;
  } catch {
    return false;
  }
}

/** The steps of a path, names and indexes alike. */
function stepsOf(path: string): readonly string[] {
  return [...path.matchAll(/\[("(?:[^"\\]|\\.)*")\]|\[([^\]"]*)\]|([^.[\]]+)/g)].map(([, quoted, index, name]) => (quoted === undefined ? (index ?? name ?? '') : String(JSON.parse(quoted))));
}
