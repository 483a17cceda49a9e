import { BerthError } from '../lib/errors.ts';

/** Linux: NAME_MAX, the bytes of one component of a path (limits.h). */
const nameBytes = 255;
/** Linux: PATH_MAX without the ending zero; the longest target a symbolic link can have. */
const linkBytes = 4095;
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const controlCharacter = /[\u0000-\u001f\u007f-\u009f]/;

export interface PathLimits {
  readonly pathBytes: number;
  readonly pathDepth: number;
}

/** What is wrong with a path, in words that follow it; undefined if nothing is. */
interface Fault {
  readonly code: 'bad_package' | 'too_large';
  readonly reason: string;
}

/**
 * The path of an entry as the content manifest has it, from its name in an archive: leading `./`, doubled slashes,
 * `.` components and a trailing slash are dropped; the empty string is the root directory itself.
 * @throws BerthError `bad_package` or `too_large`; `where` names the place.
 */
export function normalizeEntryPath(name: string, limits: PathLimits, where: string): string {
  if (name === '') throw new BerthError('bad_package', `${where}: an entry without a name`);
  if (name.startsWith('/')) throw new BerthError('bad_package', `${where}: "${name}" is an absolute path`);
  const path = isNormal(name)
    ? name
    : name
        .split('/')
        .filter((part) => part !== '' && part !== '.')
        .join('/');
  if (path !== '') checkEntryPath(path, limits, where);
  return path;
}

/** Most names are already as they should be, or only begin with `./` and end with `/`. */
function isNormal(name: string): boolean {
  return !name.startsWith('./') && !name.endsWith('/') && !name.includes('//') && !name.includes('/./') && name !== '.' && !name.endsWith('/.');
}

/** @throws BerthError `bad_package` or `too_large` if this is not a path that may stand in a content manifest. */
export function checkEntryPath(path: string, limits: PathLimits, where: string): void {
  const fault = pathFault(path, limits);
  if (fault !== undefined) throw new BerthError(fault.code, `${where}: "${path.slice(0, 200)}" ${fault.reason}`);
}

/** True for an absolute path below `/` that could be an entry's: normal, of plain characters, not too long. */
export function isPlainAbsolutePath(path: string): boolean {
  return path.startsWith('/') && pathFault(path.slice(1), { pathBytes: linkBytes - 1, pathDepth: 128 }) === undefined;
}

function pathFault(path: string, limits: PathLimits): Fault | undefined {
  const bytes = Buffer.byteLength(path);
  if (bytes > limits.pathBytes) return { code: 'too_large', reason: `is a path of ${bytes} bytes; at most ${limits.pathBytes} are allowed` };
  if (controlCharacter.test(path)) return { code: 'bad_package', reason: 'holds a control character' };
  if (!path.isWellFormed()) return { code: 'bad_package', reason: 'is not UTF-8' };
  const parts = path.split('/');
  if (parts.length > limits.pathDepth) return { code: 'too_large', reason: `is ${parts.length} levels deep; at most ${limits.pathDepth} are allowed` };
  for (const part of parts) {
    if (part === '') return { code: 'bad_package', reason: 'holds an empty component' };
    if (part === '..' || part === '.') return { code: 'bad_package', reason: `holds "${part}", which would lead elsewhere` };
    if (part.length > nameBytes / 4 && Buffer.byteLength(part) > nameBytes) return { code: 'too_large', reason: `holds a name longer than ${nameBytes} bytes` };
  }
  return undefined;
}

/** Symbolic links may point anywhere, also to nothing: they are kept, not followed. */
export function checkLinkTarget(target: string, where: string): void {
  const code = Buffer.byteLength(target) > linkBytes ? 'too_large' : 'bad_package';
  if (target === '') throw new BerthError(code, `${where}: a symbolic link without a target`);
  if (code === 'too_large') throw new BerthError(code, `${where}: a symbolic link with a target longer than ${linkBytes} bytes`);
  if (controlCharacter.test(target)) throw new BerthError(code, `${where}: a symbolic link whose target holds a control character`);
  if (!target.isWellFormed()) throw new BerthError(code, `${where}: a symbolic link whose target is not UTF-8`);
}

/** Orders paths by their UTF-8 bytes: the order of the content manifest. */
export function comparePaths(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return byteRank(x) - byteRank(y);
  }
  return a.length - b.length;
}

/** Surrogates stand for characters beyond U+FFFF, whose UTF-8 sorts after all others. */
function byteRank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x1_0000 : unit;
}
