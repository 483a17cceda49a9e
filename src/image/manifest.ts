import { isUtf8 } from 'node:buffer';
import { BerthError } from '../lib/errors.ts';
import { canonicalJson, type Json } from '../lib/json.ts';
import { formatControl, parseControl } from './control.ts';
import { checkEntryPath, checkLinkTarget, comparePaths, type PathLimits } from './entry-path.ts';
import type { Control, ManifestEntry } from './types.ts';

/** Name of the member that holds the content manifest. */
export const manifestMember = '_manifest.json';
/** Name of the member that holds the signature over the manifest's bytes. */
export const signatureMember = '_signature.p7s';
/** `format` of the first line; another number is another format. */
export const manifestFormat = 1;

/** Permission bits that a manifest may hold: those of rwx and the sticky bit, not set-id. */
export const manifestModeMask = 0o1777;
const maxId = 0xffff_fffe;
/** Longer than any line with a path and a target of `PATH_MAX` bytes, each written as `\u` escapes. */
const maxEntryLineBytes = 64 * 1024;

/** Each type's members besides those that all entries have. */
const membersOf = {
  dir: [],
  file: ['sha256', 'size'],
  symlink: ['target'],
  hardlink: ['target'],
} as const satisfies Record<ManifestEntry['type'], readonly string[]>;
const commonMembers = ['gid', 'mode', 'mtime', 'path', 'type', 'uid'] as const;

/** The first line of the manifest, with its newline: every field of control. */
export function formatManifestHeader(fields: ReadonlyMap<string, string>): string {
  return `${canonicalJson({ control: Object.fromEntries(fields), format: manifestFormat })}\n`;
}

/** An entry's line, with its newline: canonical JSON, written out since there may be 200,000 of them. */
export function formatManifestEntry(entry: ManifestEntry): string {
  return `{"gid":${entry.gid},"mode":${entry.mode},"mtime":${entry.mtime},"path":${JSON.stringify(entry.path)}${ownFields(entry)},"type":"${entry.type}","uid":${entry.uid}}\n`;
}

function ownFields(entry: ManifestEntry): string {
  if (entry.type === 'dir') return '';
  return entry.type === 'file' ? `,"sha256":"${entry.sha256}","size":${entry.size}` : `,"target":${JSON.stringify(entry.target)}`;
}

/** The content manifest of these entries, which must be in order ({@link comparePaths}) and without the root itself. */
export function* formatManifest(control: Control, entries: Iterable<ManifestEntry>): Generator<string> {
  yield formatManifestHeader(control.fields);
  for (const entry of entries) yield formatManifestEntry(entry);
}

export interface ManifestLimits extends PathLimits {
  readonly entries: number;
  readonly controlBytes: number;
  readonly manifestBytes: number;
}

/** Called with what the manifest says, line by line, as its bytes arrive. */
export interface ManifestHandler {
  header(control: Control): unknown;
  entry(entry: ManifestEntry): unknown;
}

/**
 * Reads a content manifest as it streams, and takes only the one canonical form of it: what {@link formatManifest}
 * would write, byte for byte. Holds no more than one line.
 */
export class ManifestParser {
  readonly #limits: ManifestLimits;
  readonly #handler: ManifestHandler;
  #rest: Buffer = Buffer.alloc(0);
  #lines = 0;
  #bytes = 0;
  #lastPath = '';

  constructor(limits: ManifestLimits, handler: ManifestHandler) {
    this.#limits = limits;
    this.#handler = handler;
  }

  /** @throws BerthError `bad_package` or `too_large` naming the line. */
  push(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#limits.manifestBytes) throw new BerthError('too_large', `${manifestMember}: larger than the limit of ${this.#limits.manifestBytes} bytes`);
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      this.#line(bytes.subarray(start, end));
      start = end + 1;
    }
    // A copy: the chunk's memory belongs to whoever made it.
    this.#rest = Buffer.from(bytes.subarray(start));
    if (this.#rest.length > this.#lineLimit()) throw this.#tooLong();
  }

  /** To be called after the last byte. */
  end(): void {
    if (this.#rest.length > 0) throw new BerthError('bad_package', `${manifestMember}: the last line does not end with a newline`);
    if (this.#lines === 0) throw new BerthError('bad_package', `${manifestMember}: it is empty`);
  }

  #line(bytes: Buffer): void {
    this.#lines += 1;
    if (bytes.length > this.#lineLimit()) throw this.#tooLong();
    if (!isUtf8(bytes)) throw this.#bad('is not UTF-8');
    const text = bytes.toString('utf8');
    const value = parseObject(text);
    if (value === undefined) throw this.#bad('is not a JSON object');
    // The canonical form is checked after the members, so that a wrong one is told by name.
    if (this.#lines === 1) {
      const control = this.#header(value);
      this.#expectCanonical(text, canonicalJson(value));
      this.#handler.header(control);
    } else {
      const entry = this.#entry(value);
      this.#expectCanonical(text, formatManifestEntry(entry).slice(0, -1));
      this.#handler.entry(entry);
    }
  }

  #expectCanonical(text: string, canonical: string): void {
    if (text !== canonical) throw this.#bad('is not canonical JSON (sorted keys, no spaces, each key once)');
  }

  #header(value: Record<string, Json>): Control {
    this.#expectMembers(value, ['control', 'format']);
    if (value['format'] !== manifestFormat) {
      throw new BerthError('unsupported', `${manifestMember}: format ${JSON.stringify(value['format'])}; this version of Berth reads format ${manifestFormat}`);
    }
    const control = value['control'];
    if (control === null || typeof control !== 'object' || Array.isArray(control)) throw this.#bad('has no object "control"');
    const fields = new Map<string, string>();
    for (const [name, field] of Object.entries(control)) {
      if (typeof field !== 'string') throw this.#bad(`has a control field ${name} that is not text`);
      fields.set(name, field);
    }
    const parsed = parseControl(Buffer.from(formatControl(fields)));
    if (!sameFields(parsed.fields, fields)) throw this.#bad('holds a control field that does not read back as it stands');
    return parsed;
  }

  #entry(value: Record<string, Json>): ManifestEntry {
    if (this.#lines - 1 > this.#limits.entries) throw new BerthError('too_large', `${manifestMember}: more than ${this.#limits.entries} entries`);
    const type = value['type'];
    if (typeof type !== 'string' || !Object.hasOwn(membersOf, type)) throw this.#bad('has no "type" of dir, file, symlink or hardlink');
    const entryType = type as ManifestEntry['type'];
    this.#expectMembers(value, [...commonMembers, ...membersOf[entryType]]);
    const path = this.#text(value, 'path');
    checkEntryPath(path, this.#limits, `${manifestMember}: line ${this.#lines}`);
    if (this.#lines > 2 && comparePaths(this.#lastPath, path) >= 0) throw this.#bad(`"${path}" is not in the order of path bytes, or there twice`);
    this.#lastPath = path;
    const base = {
      path,
      mode: this.#number(value, 'mode', manifestModeMask),
      uid: this.#number(value, 'uid', maxId),
      gid: this.#number(value, 'gid', maxId),
      mtime: this.#number(value, 'mtime', Number.MAX_SAFE_INTEGER),
    };
    if ((base.mode & ~manifestModeMask) !== 0) throw this.#bad('has a "mode" with other bits than permissions');
    if (entryType === 'file') {
      const sha256 = this.#text(value, 'sha256');
      if (!/^[0-9a-f]{64}$/.test(sha256)) throw this.#bad('has a "sha256" that is not 64 hexadecimal digits');
      return { ...base, type: entryType, size: this.#number(value, 'size', Number.MAX_SAFE_INTEGER), sha256 };
    }
    if (entryType === 'dir') return { ...base, type: entryType };
    const target = this.#text(value, 'target');
    const where = `${manifestMember}: line ${this.#lines}: target`;
    if (entryType === 'symlink') checkLinkTarget(target, where);
    else checkEntryPath(target, this.#limits, where);
    return { ...base, type: entryType, target };
  }

  #expectMembers(value: Record<string, Json>, names: readonly string[]): void {
    for (const name of names) if (!Object.hasOwn(value, name)) throw this.#bad(`has no "${name}"`);
    for (const name of Object.keys(value)) if (!names.includes(name)) throw this.#bad(`has an unknown member "${name}"`);
  }

  #text(value: Record<string, Json>, name: string): string {
    const text = value[name];
    if (typeof text !== 'string') throw this.#bad(`has a "${name}" that is not text`);
    return text;
  }

  #number(value: Record<string, Json>, name: string, max: number): number {
    const number = value[name];
    if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < 0 || number > max) {
      throw this.#bad(`has a "${name}" that is not a whole number from 0 to ${max}`);
    }
    return number;
  }

  #lineLimit(): number {
    // Escapes make a control stanza at most six times as long.
    return this.#lines <= 1 ? 6 * this.#limits.controlBytes : maxEntryLineBytes;
  }

  #tooLong(): BerthError {
    return new BerthError('too_large', `${manifestMember}: line ${this.#lines} is longer than ${this.#lineLimit()} bytes`);
  }

  #bad(reason: string): BerthError {
    return new BerthError('bad_package', `${manifestMember}: line ${this.#lines} ${reason}`);
  }
}

/** Whether two control stanzas hold the same fields; their order does not matter. */
export function sameFields(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
}

function parseObject(text: string): Record<string, Json> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return value === null || typeof value !== 'object' || Array.isArray(value) ? undefined : (value as Record<string, Json>);
}
