import { isUtf8 } from 'node:buffer';
import { BerthError } from '../lib/errors.ts';
import { readWhole } from './byte-source.ts';
import { parseControl } from './control.ts';
import { decompress } from './decompress.ts';
import { normalizeEntryPath } from './entry-path.ts';
import type { PackageMember } from './package-reader.ts';
import { TarParser } from './tar-reader.ts';
import type { Control, PackageLimits } from './types.ts';

/** Scripts of dpkg and opkg; Berth tells of them and never runs them. */
const scriptNames: readonly string[] = ['preinst', 'postinst', 'prerm', 'postrm', 'config'];

/** What `control.tar` holds. */
export interface ControlMember {
  readonly control: Control;
  /** Names of maintainer scripts. */
  readonly scripts: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Reads a package's control archive: ordinary files only, at most `limits.controlBytes` of them with their headers.
 * @throws BerthError `bad_package`, `too_large`.
 */
export async function readControlMember({ name, size, body, compression }: PackageMember, limits: PackageLimits): Promise<ControlMember> {
  const plain = await readWhole(decompress(body, compression!, { what: name, expansionRatio: limits.expansionRatio, packedBytes: size }), limits.controlBytes, name);
  const files = controlFiles(plain, name, limits);
  const stanza = files.get('control');
  if (stanza === undefined) throw new BerthError('bad_package', `${name}: there is no file "control" in it`);
  const warnings: string[] = [];
  const control = parseControl(stanza, (warning) => warnings.push(warning));
  checkConffiles(files.get('conffiles') ?? Buffer.alloc(0));
  const scripts = scriptNames.filter((script) => files.has(script));
  if (scripts.length > 0) warnings.push(`control: maintainer scripts never run: ${scripts.join(', ')}`);
  return { control, scripts, warnings };
}

function controlFiles(plain: Buffer, name: string, limits: PackageLimits): ReadonlyMap<string, Buffer> {
  const files = new Map<string, Buffer>();
  const parser = new TarParser(name, limits.pathBytes);
  let path = '';
  for (const event of parser.push(plain)) {
    if (event.kind === 'data') files.set(path, event.bytes);
    if (event.kind !== 'entry') continue;
    const { entry } = event;
    const where = `${name}, byte ${entry.offset}`;
    path = normalizeEntryPath(entry.name, limits, where);
    if (path === '' && entry.type === 'dir') continue;
    if (entry.type !== 'file' || path === '') throw new BerthError('bad_package', `${where}: "${entry.name}" is not an ordinary file`);
    if (files.has(path)) throw new BerthError('bad_package', `${where}: "${entry.name}" is there twice`);
    files.set(path, Buffer.alloc(0));
  }
  parser.end();
  return files;
}

/** Berth keeps no configuration files apart, but a list that names others' files is an attack on those who do. */
function checkConffiles(bytes: Buffer): void {
  if (!isUtf8(bytes)) throw new BerthError('bad_package', 'control: conffiles is not UTF-8 text');
  for (const line of bytes.toString('utf8').split('\n')) {
    const path = line.trim();
    if (path !== '' && (!path.startsWith('/') || path.split('/').includes('..'))) {
      throw new BerthError('bad_package', `control: conffiles: "${path}" is not an absolute path without ..`);
    }
  }
}
