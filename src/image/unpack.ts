import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { Hash } from 'node:crypto';
import { sha256Stream, type Digest } from '../lib/digest.ts';
import { BerthError } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';
import type { Vouched } from '../trust/index.ts';
import type { Admission, Terms } from './admission.ts';
import { BundleWriter, type Owners } from './bundle-writer.ts';
import { reading, readWhole, type ByteSource } from './byte-source.ts';
import { readControlMember, type ControlMember } from './control-member.ts';
import { DataUnpacker, rootfsPath } from './data-unpacker.ts';
import { decompress, type Compression } from './decompress.ts';
import { imageNames } from './image-names.ts';
import { formatManifestEntry, formatManifestHeader, manifestMember, sameFields, signatureMember } from './manifest.ts';
import { LineBuffer } from './line-buffer.ts';
import { ManifestCursor } from './manifest-cursor.ts';
import { fileManifestStore, memoryManifestStore, type ManifestStore } from './manifest-store.ts';
import { missingDirectories, missingFiles } from './mount-points.ts';
import { packageFiles, type PackageFile } from './package-archive.ts';
import { packageMembers, type PackageMember } from './package-reader.ts';
import { neededPaths } from './config.ts';
import { freeFor, needOf, requireRoom } from './room.ts';
import { emptyTally, type Tally } from './tally.ts';
import { TarParser } from './tar-reader.ts';
import type { Control, ManifestEntry, PackageLimits, PackageReport } from './types.ts';
import { Warnings } from './warnings.ts';

/** What a package says of itself before anything of it has been parsed but the archive's own headers. */
export interface PackageClaim {
  /** Undefined if no manifest stands before control and data: nothing can vouch for such a package. */
  readonly manifest?: {
    readonly digest: Digest;
    /** Its bytes, from the start each time; the memory of a piece is used again for the next. */
    readonly chunks: () => Iterable<Uint8Array>;
    /** Parses the manifest's first line, so only to be called when the signature over the digest is good. */
    readonly control: () => Control;
  };
  /** The DER bytes of `_signature.p7s`; never without a manifest. */
  readonly signature?: Uint8Array;
}

export interface UnpackOptions {
  readonly limits: PackageLimits;
  readonly signal?: AbortSignal;
  /**
   * Says who vouches for the package; called once, before control and data are parsed. When it throws, the package is
   * refused with what it threw. Every later byte is checked against the manifest that it was shown.
   */
  readonly verify?: (claim: PackageClaim) => Promise<Vouched>;
  /**
   * Lets the package in, and says on what terms: called once, before anything more of it is parsed than the first line
   * of its manifest. Of a package without one, the name is known when control has been read; its data, where that stands
   * before control, has been unpacked by then.
   */
  readonly admit?: (admission: Admission) => Promise<Terms>;
  /** Whether entries are given to their users and groups; by default when running as root. */
  readonly chown?: boolean;
  /** Called for each entry of data in the order of the manifest, when the whole package has been found good. */
  readonly onEntry?: (entry: ManifestEntry) => void;
}

/**
 * Reads a whole package and, if there is a `target`, unpacks it there: an empty directory that nobody else writes to,
 * which gets `manifest`, `signature.p7s` if the package is signed, and `bundle/`. Nothing outside of it is touched,
 * and after an error it is empty again. Nothing is synced to disk yet.
 * @throws BerthError `bad_package`, `too_large`, `unsupported`, `no_space`, `cancelled`, `unavailable` (no `xz`), `io`,
 * or what `verify` throws.
 */
export async function unpackPackage(source: Readable | AsyncIterable<Uint8Array>, target: string | undefined, options: UnpackOptions): Promise<PackageReport> {
  const { limits, signal } = options;
  return await reading(source, target, { maxBytes: limits.packageBytes, what: 'package', signal }, async (bytes) => {
    const found = await unpackFiles(packageFiles(bytes.chunks, limits), target, { ...options, source: bytes, tally: emptyTally() });
    return { ...found, packageBytes: bytes.bytes };
  });
}

export interface UnpackFilesOptions extends UnpackOptions {
  /** Where the files come from. */
  readonly source: ByteSource;
  readonly tally: Tally;
}

/** As {@link unpackPackage}, from the files that the package's archive holds; what was written is left after an error. */
export async function unpackFiles(files: AsyncIterable<PackageFile>, target: string | undefined, options: UnpackFilesOptions): Promise<Omit<PackageReport, 'packageBytes'>> {
  const unpacking = new Unpacking(target, options);
  try {
    for await (const member of packageMembers(files)) {
      try {
        await unpacking.take(member);
      } catch (error) {
        // Whatever still waits for the source must be woken before the loop can end.
        options.source.stop();
        throw error;
      }
    }
    return unpacking.finish();
  } finally {
    unpacking.close();
  }
}

/** One package on its way: what was seen of it, and what is open. */
class Unpacking {
  readonly #target: string | undefined;
  readonly #options: UnpackFilesOptions;
  readonly #warnings = new Warnings();
  #manifest: { readonly store: ManifestStore; readonly digest: Digest } | undefined;
  /** Of a manifest that comes after control or data: only compared. */
  #lateDigest: Digest | undefined;
  #signature: Buffer | undefined;
  #cursor: ManifestCursor | undefined;
  /** It came to the gate: what follows is not vouched for but by the manifest. */
  #passed = false;
  #vouched: Vouched | undefined;
  #control: (ControlMember & { readonly member: string }) | undefined;
  #writer: BundleWriter | undefined;
  /** Undefined as long as nobody has said. */
  #idBase: number | undefined;
  #data: { readonly unpacker: DataUnpacker; readonly compression: Compression } | undefined;

  constructor(target: string | undefined, options: UnpackFilesOptions) {
    this.#target = target;
    this.#options = options;
  }

  async take(member: PackageMember): Promise<void> {
    const { role, name, body } = member;
    if (role === 'debian-binary') await this.#checkFormat(body);
    else if (role === 'manifest') await this.#takeManifest(body);
    else if (role === 'signature') await this.#takeSignature(body);
    else if (role === 'extra') this.#skip(name);
    else {
      await this.#pass();
      if (role === 'control') await this.#takeControl(member);
      else await this.#unpackData(member);
    }
  }

  /** To be called after the last member. */
  finish(): Omit<PackageReport, 'packageBytes'> {
    const [control, data] = [this.#control!, this.#data!];
    this.#checkControl(control);
    const digest = this.#manifest?.digest ?? this.#computeManifest(control.control, data.unpacker);
    if (this.#lateDigest !== undefined && this.#lateDigest !== digest) {
      throw new BerthError('bad_package', `${manifestMember} is not the manifest of what is in the package`);
    }
    const config = data.unpacker.config();
    this.#finishBundle(data.unpacker, config);
    if (this.#signature !== undefined && this.#target !== undefined) {
      writeFileSync(join(this.#target, imageNames.signature), this.#signature, { flag: 'wx', mode: 0o644 });
    }
    this.close();
    if (this.#options.onEntry !== undefined) data.unpacker.model.forEach(this.#options.onEntry);
    const { unpackedBytes, entries, files } = data.unpacker;
    return {
      digest,
      control: control.control,
      manifestGiven: this.#manifest !== undefined || this.#lateDigest !== undefined,
      ...(this.#signature === undefined ? {} : { signatureBytes: this.#signature.length }),
      ...(this.#vouched === undefined ? {} : { vouched: this.#vouched }),
      unpackedBytes,
      entries,
      files,
      compression: data.compression,
      warnings: [...control.warnings, ...this.#warnings.list()],
      scripts: control.scripts,
      ...(config === undefined ? {} : { config }),
      hasRootfs: data.unpacker.hasRootfs(),
    };
  }

  /** Closes what is open, also in the midst of a file. */
  close(): void {
    this.#writer?.abandon();
    this.#manifest?.store.close();
    this.#cursor?.close();
  }

  async #checkFormat(body: AsyncIterable<Buffer>): Promise<void> {
    const text = (await readWhole(body, 64, 'debian-binary')).toString('latin1');
    if (text !== '2.0\n') throw new BerthError('bad_package', `debian-binary says ${JSON.stringify(text)}; Berth reads packages of format 2.0`);
  }

  async #takeManifest(body: AsyncIterable<Buffer>): Promise<void> {
    const { limits, tally } = this.#options;
    const isFirst = !this.#passed;
    const store = isFirst ? this.#newStore() : undefined;
    const hash = sha256Stream();
    try {
      for await (const chunk of body) {
        tally.manifestBytes += chunk.length;
        if (tally.manifestBytes > limits.manifestBytes) throw new BerthError('too_large', `${manifestMember}: larger than the limit of ${formatSize(limits.manifestBytes)}`);
        hash.update(chunk);
        store?.append(chunk);
      }
    } finally {
      store?.close();
    }
    if (store === undefined) this.#lateDigest = digestFrom(hash);
    else this.#manifest = { store, digest: digestFrom(hash) };
  }

  #newStore(): ManifestStore {
    return this.#target === undefined ? memoryManifestStore() : fileManifestStore(join(this.#target, imageNames.manifest));
  }

  async #takeSignature(body: AsyncIterable<Buffer>): Promise<void> {
    if (this.#passed) throw new BerthError('bad_package', `${signatureMember} stands after control or data; it must stand before them`);
    this.#signature = await readWhole(body, this.#options.limits.signatureBytes, signatureMember);
  }

  #skip(name: string): void {
    // By convention, what begins with an underscore is meant for others.
    if (!name.startsWith('_')) this.#warnings.add(`the package has a member that Berth does not know: ${name}`);
  }

  /** The gate: what vouches for the package is complete, and nothing of it has been parsed. */
  async #pass(): Promise<void> {
    if (this.#passed) return;
    this.#passed = true;
    const [manifest, signature] = [this.#manifest, this.#signature];
    if (signature !== undefined && manifest === undefined) throw new BerthError('bad_package', `${signatureMember} signs ${manifestMember}, which must stand before control and data too`);
    const claim = manifest === undefined ? {} : { manifest: { digest: manifest.digest, chunks: () => manifest.store.chunks(), control: () => this.#openManifest()!.control } };
    this.#vouched = await this.#options.verify?.(signature === undefined ? claim : { ...claim, signature });
    const cursor = this.#openManifest();
    if (cursor === undefined) return;
    await this.#admit(cursor.control, manifest!.digest);
    if (this.#target !== undefined) requireRoom(cursor.control.package, needOf(manifest!.store.chunks()), freeFor(this.#target));
  }

  async #admit({ package: name, version }: Control, digest?: Digest): Promise<void> {
    if (this.#options.admit === undefined) return;
    const { idBase = 0 } = await this.#options.admit({ ...(digest === undefined ? {} : { digest }), name, version, vouched: this.#vouched ?? nobody });
    this.#idBase = idBase;
  }

  #owners(): Owners {
    if (this.#options.admit === undefined) return { idBase: 0 };
    return this.#idBase === undefined ? 'later' : { idBase: this.#idBase };
  }

  async #takeControl(member: PackageMember): Promise<void> {
    const found = await readControlMember(member, this.#options.limits);
    this.#control = { ...found, member: member.name };
    if (this.#cursor === undefined) await this.#admit(found.control);
  }

  #openManifest(): ManifestCursor | undefined {
    if (this.#manifest !== undefined) this.#cursor ??= new ManifestCursor(this.#manifest.store.chunks(), this.#options.limits);
    return this.#cursor;
  }

  async #unpackData({ name, size, body, compression }: PackageMember): Promise<void> {
    const { limits, signal, tally } = this.#options;
    const chown = this.#options.chown ?? process.geteuid?.() === 0;
    if (this.#target !== undefined) this.#writer = new BundleWriter(join(this.#target, imageNames.bundle), chown ? this.#owners() : 'unpacker');
    const unpacker = new DataUnpacker({ archive: name, limits, tally, expected: this.#cursor, writer: this.#writer, warnings: this.#warnings });
    const parser = new TarParser(name, limits.pathBytes);
    for await (const chunk of decompress(body, compression!, { what: name, expansionRatio: limits.expansionRatio, packedBytes: size })) {
      signal?.throwIfAborted();
      for (const event of parser.push(chunk)) unpacker.take(event);
    }
    parser.end();
    this.#cursor?.end();
    this.#data = { unpacker, compression: compression! };
  }

  #checkControl({ control, member }: ControlMember & { readonly member: string }): void {
    const expected = this.#cursor?.control.fields;
    if (expected !== undefined && !sameFields(expected, control.fields)) {
      const names = [...new Set([...expected.keys(), ...control.fields.keys()])].filter((name) => expected.get(name) !== control.fields.get(name));
      throw new BerthError('bad_package', `${member} and ${manifestMember} differ in ${names.join(', ')}`);
    }
  }

  #computeManifest(control: Control, unpacker: DataUnpacker): Digest {
    const hash = sha256Stream();
    const store = this.#target === undefined ? undefined : this.#newStore();
    try {
      const lines = new LineBuffer((bytes) => {
        hash.update(bytes);
        store?.append(bytes);
      });
      lines.add(formatManifestHeader(control.fields));
      unpacker.model.forEach((entry) => lines.add(formatManifestEntry(entry)));
      lines.flush();
    } finally {
      store?.close();
    }
    return digestFrom(hash);
  }

  #finishBundle(unpacker: DataUnpacker, config: string | undefined): void {
    if (this.#idBase !== undefined) this.#writer?.settleOwners(this.#idBase, (visit) => unpacker.model.forEach(visit));
    if (config !== undefined && unpacker.hasRootfs()) {
      const needed = neededPaths(config);
      const kindAt = (path: string): ReturnType<DataUnpacker['kindAt']> => unpacker.kindAt(`${rootfsPath}/${path}`);
      for (const path of missingDirectories(needed, kindAt)) {
        this.#writer?.mountPoint(`${rootfsPath}/${path}`, needed.data.includes(`/${path}`) ? needed.user : undefined);
      }
      for (const path of missingFiles(needed, kindAt)) this.#writer?.mountFile(`${rootfsPath}/${path}`);
    }
    unpacker.finishDirs();
    this.#writer?.finish();
  }
}

/** Vouches for what nobody was asked about. */
const nobody: Vouched = { signers: [] };

function digestFrom(hash: Hash): Digest {
  return `sha256:${hash.digest('hex')}`;
}
