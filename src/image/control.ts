import { isUtf8 } from 'node:buffer';
import { BerthError } from '../lib/errors.ts';
import { checkVersion } from './version.ts';
import type { Control, Dependency, DependencyAlternative } from './types.ts';

/** Fields that Berth gives a meaning to. Written in another case they are refused: readers differ on what they mean. */
const knownFields = [
  'Package', 'Version', 'Architecture', 'Maintainer', 'Description', 'Depends', 'Pre-Depends', 'Recommends', 'Suggests',
  'Conflicts', 'Replaces', 'Provides', 'Section', 'Priority', 'Essential', 'Source', 'Homepage', 'License',
  'Installed-Size', 'Conffiles', 'Tags', 'OE',
] as const;

/** Fields of a feed's index or of an installer's own records; in a package they would forge those. */
const foreignFields = ['Status', 'Filename', 'Auto-Installed', 'Installed-Time', 'Config-Version', 'Size', 'MD5Sum', 'SHA256sum'] as const;

/** Only these may go on over further lines; elsewhere opkg drops the second line in silence. */
const foldedFields: readonly string[] = ['Description', 'Conffiles'];

const canonicalNames = new Map([...knownFields, ...foreignFields].map((name) => [name.toLowerCase(), name]));
const foreignNames = new Set<string>(foreignFields);
/** The name of an app names directories, control groups and files derived from it. */
const maxNameLength = 128;
const packageName = /^[a-z0-9][a-z0-9.+-]*$/;
/** Policy manual of Debian, section 5.1: printable ASCII but the colon, not beginning with `#` or `-`. */
const fieldName = /^[!"$-,./0-9;-~][!-9;-~]*$/;
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const controlCharacter = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

type Warn = (message: string) => void;

/**
 * The control stanza of a package (facts of deb-control(5) and of opkg): `Name: value` lines, continuation lines
 * beginning with a space in Description and Conffiles. A value with continuation lines holds them as they stand,
 * each after a newline. `warn` is told of what is odd but read.
 * @throws BerthError `bad_package` naming the field.
 */
export function parseControl(bytes: Uint8Array, warn: Warn = () => undefined): Control {
  return controlOf(parseStanza(decode(bytes), warn));
}

/** The stanza as text: each field on a line of its own, in the order given. */
export function formatControl(fields: Iterable<readonly [string, string]>): string {
  return [...fields].map(([name, value]) => (value === '' ? `${name}:\n` : `${name}: ${value}\n`)).join('');
}

function bad(message: string): BerthError {
  return new BerthError('bad_package', `control: ${message}`);
}

function decode(bytes: Uint8Array): string {
  if (bytes.length === 0) throw bad('it is empty');
  if (!isUtf8(bytes)) throw bad('it is not UTF-8 text; convert it and build the package again');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
  if (text.startsWith('\ufeff')) throw bad('it begins with a byte order mark; save it without one');
  return text;
}

function parseStanza(text: string, warn: Warn): Map<string, string> {
  const fields = new Map<string, string>();
  let current: string | undefined;
  let ended = false;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trimEnd();
    const where = `line ${index + 1}`;
    if (controlCharacter.test(raw)) throw bad(`${where} holds a control character (line ends must be a single newline)`);
    if (line === '') {
      // Blank lines before the stanza and at the end are harmless; they belong to no field.
      ended = fields.size > 0;
      continue;
    }
    if (ended) throw bad(`${where}: text after the blank line that ends the stanza; a package has one stanza`);
    const match = /^([^:\s]+):(.*)$/.exec(line);
    if (/^[ \t]/.test(line)) {
      appendLine(fields, current, line, where);
    } else if (match !== null) {
      current = checkName(match[1]!, fields, where);
      fields.set(current, match[2]!.trim());
    } else if (current === 'Description') {
      warn(`control: ${where}: a line of Description without the space that should begin it`);
      appendLine(fields, current, ` ${line}`, where);
    } else {
      throw bad(`${where} is not of the form "Name: value"`);
    }
  }
  return fields;
}

function appendLine(fields: Map<string, string>, current: string | undefined, line: string, where: string): void {
  if (current === undefined) throw bad(`${where}: a continuation line before the first field`);
  if (!foldedFields.includes(current)) throw bad(`${where}: ${current} goes on over a second line; only ${foldedFields.join(' and ')} may`);
  fields.set(current, `${fields.get(current)!}\n${line}`);
}

function checkName(name: string, fields: ReadonlyMap<string, string>, where: string): string {
  if (!fieldName.test(name)) throw bad(`${where}: "${name}" is not a field name`);
  const canonical = canonicalNames.get(name.toLowerCase());
  if (canonical !== undefined && foreignNames.has(canonical)) throw bad(`${where}: the field ${name} has no place in a package; remove it`);
  if (canonical !== undefined && canonical !== name) throw bad(`${where}: the field "${name}" must be written ${canonical}`);
  if (fields.has(name)) throw bad(`${where}: the field ${name} is there twice`);
  return name;
}

function controlOf(fields: ReadonlyMap<string, string>): Control {
  return {
    package: checkPackageName(required(fields, 'Package'), 'control: Package'),
    version: checkVersion(required(fields, 'Version'), 'control: Version'),
    architecture: checkArchitecture(required(fields, 'Architecture')),
    depends: parseDepends(fields.get('Depends') ?? ''),
    description: fields.get('Description') ?? '',
    fields,
  };
}

function required(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name);
  if (value === undefined) throw bad(`the field ${name} is missing`);
  if (value === '') throw bad(`the field ${name} is empty`);
  return value;
}

function checkPackageName(name: string, field: string): string {
  if (name.length > maxNameLength) throw new BerthError('bad_package', `${field}: "${name.slice(0, 40)}…" has ${name.length} characters; a package name has at most ${maxNameLength}`);
  if (!packageName.test(name) || name.includes('..')) {
    throw new BerthError('bad_package', `${field}: "${name}" is not a package name (small letters, digits, and . + - after the first)`);
  }
  return name;
}

function checkArchitecture(name: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name)) throw bad(`Architecture: "${name}" is not the name of one architecture`);
  return name;
}

const alternative = /^([^\s()]+)(?:\s*\(\s*([<>=]+)\s*([^\s()]+)\s*\))?$/;
const operators: readonly string[] = ['<<', '<=', '=', '>=', '>>'];

/**
 * `Depends: a (>= 1) | b, c` (deb-control(5)): all of the comma-separated parts, any alternative of each.
 * @throws BerthError `bad_package` naming the part.
 */
export function parseDepends(text: string): readonly Dependency[] {
  if (text.trim() === '') return [];
  return text.split(',').map((part) => part.split('|').map((choice) => parseAlternative(choice.trim())));
}

function parseAlternative(text: string): DependencyAlternative {
  const [, name, operator, version] = alternative.exec(text) ?? [];
  if (name === undefined) throw bad(`Depends: "${text}" is not of the form "name" or "name (>= version)"`);
  checkPackageName(name, 'control: Depends');
  if (operator === undefined || version === undefined) return { name };
  if (!operators.includes(operator)) throw bad(`Depends: "${text}": the operator "${operator}" is not one of ${operators.join(' ')}`);
  checkVersion(version, `control: Depends: ${name}`);
  return { name, relation: { operator: operator as NonNullable<DependencyAlternative['relation']>['operator'], version } };
}

/** The text of `Depends` for these dependencies. */
export function formatDepends(depends: readonly Dependency[]): string {
  return depends.map((part) => part.map(formatAlternative).join(' | ')).join(', ');
}

function formatAlternative({ name, relation }: DependencyAlternative): string {
  return relation === undefined ? name : `${name} (${relation.operator} ${relation.version})`;
}
