import { BerthError } from '../lib/errors.ts';

/**
 * Versions as in deb-version(7): `[epoch:]upstream[-revision]`. The epoch is what stands before the first colon, the
 * revision what follows the last hyphen.
 */
interface Version {
  readonly epoch: number;
  readonly upstream: string;
  readonly revision: string;
}

/** dpkg holds the epoch in a C `int`. */
const maxEpoch = 0x7fff_ffff;

function split(text: string): Version {
  const colon = text.indexOf(':');
  const rest = text.slice(colon + 1);
  const hyphen = rest.lastIndexOf('-');
  return {
    epoch: colon < 0 ? 0 : Number(text.slice(0, colon)),
    upstream: hyphen < 0 ? rest : rest.slice(0, hyphen),
    revision: hyphen < 0 ? '' : rest.slice(hyphen + 1),
  };
}

/**
 * Refuses what dpkg refuses (`dpkg --validate-version`); `field` names the place in the message.
 * @throws BerthError `bad_package`.
 */
export function checkVersion(text: string, field: string): string {
  const fault = versionFault(text);
  if (fault !== undefined) throw new BerthError('bad_package', `${field}: "${text}" is not a version: ${fault}`);
  return text;
}

/** Why dpkg would refuse this as a version, or undefined if it would not. */
export function versionFault(text: string): string | undefined {
  if (text === '') return 'it is empty';
  const colon = text.indexOf(':');
  if (colon >= 0 && !/^\d+$/.test(text.slice(0, colon))) return 'the part before the colon (the epoch) is not a whole number';
  const { epoch, upstream, revision } = split(text);
  if (epoch > maxEpoch) return `the epoch is greater than ${maxEpoch}`;
  if (upstream === '') return 'there is nothing between epoch and revision';
  if (text.endsWith('-')) return 'the revision after the last hyphen is empty';
  if (!/^\d/.test(upstream)) return 'it does not begin with a digit';
  if (!/^[A-Za-z0-9.+~:-]*$/.test(upstream)) return 'only letters, digits and . + - ~ : may stand in it';
  if (!/^[A-Za-z0-9.+~]*$/.test(revision)) return 'only letters, digits and . + ~ may stand in the revision';
  return undefined;
}

/** Less than, equal to or greater than zero as `a` is older than, the same as or newer than `b` (`1.0` is `1.0-0`). */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [split(a), split(b)];
  return left.epoch - right.epoch || compareParts(left.upstream, right.upstream) || compareParts(left.revision, right.revision);
}

type Operator = '<<' | '<=' | '=' | '>=' | '>>';

const holds: Readonly<Record<Operator, (order: number) => boolean>> = {
  '<<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '=': (order) => order === 0,
  '>=': (order) => order >= 0,
  '>>': (order) => order > 0,
};

/** Whether `version` satisfies a relation of `Depends`. */
export function satisfies(version: string, relation: { readonly operator: Operator; readonly version: string }): boolean {
  return holds[relation.operator](compareVersions(version, relation.version));
}

/** Compares runs of other characters and runs of digits in turn, as deb-version(7) says. */
function compareParts(a: string, b: string): number {
  const [left, right] = [runs(a), runs(b)];
  for (let i = 0; i < left.length || i < right.length; i += 1) {
    const [x, y] = [left[i] ?? '', right[i] ?? ''];
    const order = i % 2 === 0 ? compareText(x, y) : compareNumber(x, y);
    if (order !== 0) return order;
  }
  return 0;
}

/** Text and digits in turn, text first: `1.0` is `['', '1', '.', '0']`. */
function runs(text: string): string[] {
  const found: string[] = [];
  for (const match of text.matchAll(/(\D*)(\d*)/g)) found.push(match[1]!, match[2]!);
  return found;
}

function compareText(a: string, b: string): number {
  for (let i = 0; i < a.length || i < b.length; i += 1) {
    const order = rank(a.charCodeAt(i)) - rank(b.charCodeAt(i));
    if (order !== 0) return order;
  }
  return 0;
}

/** `~` before the end of the text, that before letters, those before all others. */
function rank(code: number): number {
  if (Number.isNaN(code)) return 0;
  if (code === 0x7e) return -1;
  const isLetter = (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
  return isLetter ? code : code + 0x100;
}

/** Digits of any length, so without turning them into numbers. */
function compareNumber(a: string, b: string): number {
  const [x, y] = [a.replace(/^0+/, ''), b.replace(/^0+/, '')];
  if (x.length !== y.length) return x.length - y.length;
  return x < y ? -1 : Number(x > y);
}
