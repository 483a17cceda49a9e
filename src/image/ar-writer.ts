/** Longest name that a member can have (deb(5): 16 characters, of which some writers take one for a slash). */
const maxNameLength = 15;

/**
 * Header of a member: times and owners zero, so that equal members make equal archives; mode of an ordinary file. The
 * member's bytes follow, and {@link arPadding} after them.
 */
export function arHeader(name: string, size: number): Buffer {
  if (name.length > maxNameLength) throw new RangeError(`${name} does not fit in an ar header`);
  const fields = [
    [name, 16], // ar_name
    ['0', 12], // ar_date
    ['0', 6], // ar_uid
    ['0', 6], // ar_gid
    ['100644', 8], // ar_mode
    [String(size), 10], // ar_size
  ] as const;
  return Buffer.from(`${fields.map(([value, width]) => value.padEnd(width)).join('')}\`\n`, 'latin1');
}

/** Members begin at even offsets. */
export function arPadding(size: number): string {
  return size % 2 === 0 ? '' : '\n';
}
