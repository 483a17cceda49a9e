/** A name that a JSON path can hold as it is, after a dot. */
const plainName = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** A name as a step of a JSON path: `.name`, or `["na.me"]` where it is not a plain one. */
export function step(name: string): string {
  return plainName.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}

/**
 * True if a pattern names this path, or an object or array that the path lies in. `*` stands for any one name or index:
 * `mounts[*]`, `linux.resources.*`.
 */
export function jsonPathMatches(pattern: string, path: string): boolean {
  const wanted = steps(pattern);
  const found = steps(path);
  return wanted.length > 0 && wanted.length <= found.length && wanted.every((name, index) => name === '*' || name === found[index]);
}

/** The steps of a path, names and indexes alike. */
function steps(path: string): readonly string[] {
  return [...path.matchAll(/\[("(?:[^"\\]|\\.)*")\]|\[([^\]"]*)\]|([^.[\]]+)/g)].map(([, quoted, index, name]) => (quoted === undefined ? (index ?? name ?? '') : String(JSON.parse(quoted))));
}
