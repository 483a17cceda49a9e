import { sha256Stream } from '../lib/digest.ts';
import { BerthError } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';
import { archiveMembers } from './archive.ts';
import { peek, readWhole, type PeekedBytes } from './byte-source.ts';
import { CpioParser, isCpio } from './cpio-reader.ts';
import { maxPayloadPackages } from './limits.ts';
import { arFiles, headBytes, isAr, packageFiles, outerTarParser, plainTar, tarFiles, tarMembers, type PackageFile, type TarMember } from './package-archive.ts';
import { maxSwDescriptionBytes, parseSwDescription, swDescriptionName, type SwImage } from './sw-description.ts';
import { decodeTarHeader, isZeroBlock, tarBlockBytes } from './tar-header.ts';
import type { TarEntry, TarParser } from './tar-reader.ts';
import type { PackageLimits, PayloadKind } from './types.ts';

/** A package found in a payload. */
export interface FoundPackage {
  /** Name of its file in the archive; empty if the payload is the package. */
  readonly name: string;
  /** Bytes of that file; undefined if the payload is the package. */
  readonly size: number | undefined;
  readonly files: AsyncIterable<PackageFile>;
}

/** Takes a package, whose files are there until it is done. */
export type TakePackage = (found: FoundPackage) => Promise<void>;

const packageSuffix = '.ipk';
const rules = `a payload is one package, or an archive with ${packageSuffix} files at its top and nothing else`;

/**
 * Finds out from the bytes as they come what a payload is, and gives each package to `take`.
 * @throws BerthError `bad_package`, `too_large`, `unsupported`, and what `take` throws.
 */
export async function readPayload(source: AsyncIterable<Buffer>, limits: PackageLimits, take: TakePackage): Promise<PayloadKind> {
  const { head, whole } = await peek(source, headBytes);
  if (head.length === 0) throw new BerthError('bad_package', 'the payload is empty');
  if (isAr(head)) {
    await take({ name: '', size: undefined, files: arFiles(whole) });
    return 'package';
  }
  if (isCpio(head)) {
    await readSwu(whole, limits, take);
    return 'swu';
  }
  return await readTar({ head, whole }, 'payload', limits, async (archive) => {
    const { what, first, members } = archive;
    if (isPackageName(first.name)) {
      await readArchive(archive, limits, take);
      return 'archive';
    }
    if (first.type !== 'file') throw notAFile(what, first);
    await take({ name: '', size: undefined, files: tarFiles(noPackages(members, first.name), 'package') });
    return 'package';
  });
}

/** A tar archive of which nothing was read but its first header. */
interface OpenTar {
  /** Names it in messages. */
  readonly what: string;
  readonly first: TarEntry;
  /** The first one too. */
  readonly members: AsyncIterable<TarMember>;
  readonly parser: TarParser;
}

/** Opens a tar archive, whatever its compression, and has it read. */
async function readTar<T>(packed: PeekedBytes, what: string, limits: PackageLimits, read: (archive: OpenTar) => Promise<T>): Promise<T> {
  const plain = plainTar(packed.whole, packed.head, what, limits)[Symbol.asyncIterator]();
  try {
    const { head, whole } = await peek({ [Symbol.asyncIterator]: () => plain }, tarBlockBytes);
    requireTar(head.subarray(0, tarBlockBytes), what);
    const parser = outerTarParser(what);
    const members = tarMembers(whole, parser);
    const first = await members.next();
    if (first.done === true) throw new BerthError('bad_package', `${what}: the archive is empty; ${rules}`);
    return await read({ what, first: first.value.entry, members: resumed(first.value, members), parser });
  } finally {
    // A decompressor that is not read to its end would stay.
    await plain.return?.();
  }
}

async function* resumed<T>(first: T, rest: AsyncGenerator<T, void, undefined>): AsyncGenerator<T, void, undefined> {
  yield first;
  yield* rest;
}

function requireTar(head: Buffer, what: string): void {
  const no = (reason: string, cause?: unknown): BerthError => new BerthError('bad_package', `${what}: neither a package (${packageSuffix}) nor an archive of packages (tar, .swu): ${reason}`, { cause });
  if (head.length < tarBlockBytes) throw no(`it has only ${head.length} bytes`);
  if (isZeroBlock(head)) return;
  try {
    decodeTarHeader(head, 'byte 0');
  } catch (error) {
    throw no((error as BerthError).message, error);
  }
}

/** Gives each package of an archive to `take`. */
async function readArchive({ what, members, parser }: OpenTar, limits: PackageLimits, take: TakePackage): Promise<void> {
  let [packages, bytes] = [0, 0];
  for await (const { entry, body } of members) {
    const { name, size } = entry;
    if (entry.type !== 'file') throw notAFile(what, entry);
    if (!isPackageName(name)) throw bad(what, entry, `is no ${packageSuffix} file`);
    if (name.includes('/')) throw bad(what, entry, 'lies in a folder');
    packages += 1;
    bytes += size;
    if (packages > maxPayloadPackages) throw new BerthError('too_large', `${what}: more than ${maxPayloadPackages} packages`);
    if (bytes > limits.packageBytes) throw new BerthError('too_large', `${what}: with "${name}" the packages are larger than the limit of ${formatSize(limits.packageBytes)}`);
    await take({ name, size, files: packageFiles(body, limits) });
  }
  // Cut between two packages, it would pass for a whole one.
  if (!parser.hasEnd) throw new BerthError('bad_package', `${what}: the zeros that end a tar archive are missing: it was cut off`);
}

/** An update image of Mbed Linux OS: a description, then the archive of packages that it names. */
async function readSwu(source: AsyncIterable<Buffer>, limits: PackageLimits, take: TakePackage): Promise<void> {
  let image: SwImage | undefined;
  let isRead = false;
  for await (const { entry, body } of archiveMembers(source, new CpioParser())) {
    if (image === undefined) {
      if (entry.name !== swDescriptionName) throw new BerthError('bad_package', `the cpio archive begins with "${entry.name}", not with ${swDescriptionName}: it is no .swu`);
      image = parseSwDescription(await readWhole(body, maxSwDescriptionBytes, swDescriptionName));
    } else if (entry.name === image.filename && !isRead) {
      isRead = true;
      await readImage(body, image, limits, take);
    } else {
      throw new BerthError('bad_package', `the .swu holds "${entry.name}"${entry.name === image.filename ? ' twice' : `, which ${swDescriptionName} does not name`}`);
    }
  }
  if (image === undefined) throw new BerthError('bad_package', `the cpio archive is empty: it is no .swu`);
  if (!isRead) throw new BerthError('bad_package', `the .swu lacks "${image.filename}", which ${swDescriptionName} names`);
}

async function readImage(body: AsyncIterable<Buffer>, { filename, sha256 }: SwImage, limits: PackageLimits, take: TakePackage): Promise<void> {
  const hash = sha256 === undefined ? undefined : sha256Stream();
  async function* hashed(): AsyncGenerator<Buffer, void, undefined> {
    for await (const chunk of body) {
      hash?.update(chunk);
      yield chunk;
    }
  }
  await readTar(await peek(hash === undefined ? body : hashed(), headBytes), filename, limits, (archive) => readArchive(archive, limits, take));
  const found = hash?.digest('hex');
  if (found !== sha256) throw new BerthError('bad_package', `${filename} is not the file of ${swDescriptionName}: its SHA-256 is ${found}, not ${sha256}`);
}

/** The members of a package in the form of a tar archive; refuses an archive of packages that only begins as such. */
async function* noPackages(members: AsyncIterable<TarMember>, first: string): AsyncGenerator<TarMember, void, undefined> {
  for await (const member of members) {
    if (isPackageName(member.entry.name)) throw bad('payload', member.entry, `stands beside "${first}"`);
    yield member;
  }
}

function isPackageName(name: string): boolean {
  return name.replace(/\/+$/, '').endsWith(packageSuffix);
}

const typeNames: Readonly<Record<TarEntry['type'], string>> = {
  file: 'a file',
  dir: 'a directory',
  symlink: 'a symbolic link',
  hardlink: 'a hard link',
  charDevice: 'a device',
  blockDevice: 'a device',
  fifo: 'a FIFO',
};

function notAFile(what: string, entry: TarEntry): BerthError {
  return bad(what, entry, `is ${typeNames[entry.type]}`);
}

function bad(what: string, { name, offset }: TarEntry, reason: string): BerthError {
  return new BerthError('bad_package', `${what}, byte ${offset}: "${name}" ${reason}; ${rules}`);
}
