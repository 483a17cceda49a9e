/**
 * A Markdown document with one of its parts replaced, or added at the end if it is not there. A part goes from a heading
 * of the first level to the next one, so that whoever measures something writes only what is theirs.
 */
export function withPart(document: string, part: string): string {
  const [heading] = part.split('\n', 1);
  const parts = document.split(/^(?=# )/m).filter((text) => text.trim() !== '');
  const found = parts.findIndex((text) => text.split('\n', 1)[0] === heading);
  const all = found === -1 ? [...parts, part] : parts.with(found, part);
  return all.map((text) => `${text.trimEnd()}\n`).join('\n');
}

/** The part under a heading, empty if there is none. */
export function partOf(document: string, heading: string): string {
  return document.split(/^(?=# )/m).find((text) => text.split('\n', 1)[0] === heading) ?? '';
}
