import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { BerthError } from '../lib/errors.ts';
import { hostArchitectures } from './architecture.ts';
import { type BuildOptions, type BuildReport, foldDescription, packApp, rootMeta, timeRule } from './build.ts';
import { plainContent, readSmall, streamContent } from './content.ts';
import { formatControl, parseControl } from './control.ts';
import { isDockerArchive, readDockerArchive } from './docker-archive.ts';
import { impliedTime } from './folder.ts';
import { archiveFiles, folderFiles, type ImageFiles } from './image-files.ts';
import { launchOfImage } from './image-launch.ts';
import { resolveUser } from './image-user.ts';
import { addLayer, type LayerOptions } from './layers.ts';
import { defaultLimits } from './limits.ts';
import { Notes } from './notes.ts';
import { type ImageChoice, isOciLayout, readOciLayout, type SourceImage } from './oci-layout.ts';
import { architectureOf } from './platform.ts';
import { Spool } from './spool.ts';
import { FileTree } from './tree.ts';
import type { Control } from './types.ts';
import { versionFault } from './version.ts';
import { makeWorkspace } from './workspace.ts';

export interface ImportOptions extends BuildOptions {
  /** Package name; default from the image's name. */
  readonly name?: string;
  /** Package version; default from the image's label or tag. */
  readonly version?: string;
  /** Debian's name; of an image for several platforms the one to take. Default: the only one, or this machine's. */
  readonly architecture?: string;
  /** Which image, of a source with several: its name and tag, or its tag. */
  readonly reference?: string;
  readonly maintainer?: string;
  readonly description?: string;
  /** `UID[:GID]` instead of the image's own user. */
  readonly user?: string;
  /** The image's volumes become data directories; by default they are told of in a warning. */
  readonly volumesAsData?: boolean;
}

/**
 * Makes a package of an image: an OCI image layout (folder or tar archive) or what `docker save` wrote, compressed or
 * not. Nothing of the image is unpacked on this machine; see {@link addLayer}.
 * @throws BerthError `bad_package` for an image that is broken or whose digests do not match, `architecture`,
 * `not_found`, `usage` if something must be chosen or named.
 */
export async function importImage(source: string, output: string, options: ImportOptions = {}): Promise<BuildReport> {
  await using work = await makeWorkspace(output);
  const files = (await stat(source)).isDirectory() ? folderFiles(source) : await archiveFiles(source, work.path('image'), options.signal);
  const image = findImage(files, { ...options, hostArchitecture: hostArchitectures()[0]! });
  const control = controlOf(image, options);
  const notes = new Notes();
  const rule = timeRule(options);
  using spool = new Spool(work.path('spool'), defaultLimits.unpackedBytes);
  const rootfs = new FileTree({ ...rootMeta, mtime: impliedTime(rule) });
  for (const [number, layer] of image.layers.entries()) {
    const what = `${files.name}: layer ${number + 1} of ${image.layers.length}`;
    const signal = options.signal === undefined ? {} : { signal: options.signal };
    await addCheckedLayer(rootfs, layer, { ...rule, ...signal, spool, notes, what, whiteouts: true });
  }
  const user = resolveUser(options.user ?? image.config.config.User ?? '', { passwd: readText(rootfs, 'etc/passwd'), group: readText(rootfs, 'etc/group') });
  const launch = launchOfImage(image.config, { name: control.package, user, volumesAsData: options.volumesAsData === true, notes });
  return await packApp({ rootfs, launch, control, output, notes, rule, options });
}

function findImage(files: ImageFiles, choice: ImageChoice): SourceImage {
  if (isOciLayout(files)) return readOciLayout(files, choice);
  if (isDockerArchive(files)) return readDockerArchive(files, choice);
  throw new BerthError('bad_package', `${files.name}: neither an OCI image layout (oci-layout, index.json) nor written by docker save (manifest.json)`);
}

/** Adds a layer whose bytes, compressed and not, have the digests that the image names. */
async function addCheckedLayer(tree: FileTree, layer: SourceImage['layers'][number], options: LayerOptions): Promise<void> {
  const { content, digest, diffId } = layer;
  if (digest !== undefined) {
    const hash = createHash('sha256');
    for await (const block of streamContent(content)) hash.update(block);
    checkDigest(hash.digest('hex'), digest, options.what);
  }
  const hash = createHash('sha256');
  const hashed = async function* (): AsyncGenerator<Buffer, void, undefined> {
    for await (const block of plainContent(content, options.what)) {
      hash.update(block);
      yield block;
    }
  };
  await addLayer(tree, hashed(), options);
  checkDigest(hash.digest('hex'), diffId, options.what);
}

function checkDigest(hex: string, expected: string, what: string): void {
  if (`sha256:${hex}` !== expected) throw new BerthError('bad_package', `${what}: its digest is sha256:${hex}, not ${expected}; the image is damaged`);
}

/** Accounts of an image are a few kilobytes; a larger file is none. */
const maxAccountsBytes = 1024 * 1024;

function readText(tree: FileTree, path: string): string | undefined {
  const node = tree.get(tree.resolve(path));
  return node?.type === 'file' ? readSmall(node.content, maxAccountsBytes, path).toString('utf8') : undefined;
}

const labels = {
  version: 'org.opencontainers.image.version',
  description: 'org.opencontainers.image.description',
} as const;

function controlOf({ config, reference }: SourceImage, options: ImportOptions): Control {
  const label = (name: keyof typeof labels): string | undefined => config.config.Labels?.[labels[name]];
  const named = splitReference(options.reference?.includes('/') === true || options.reference?.includes(':') === true ? options.reference : reference);
  const name = options.name ?? named.name;
  if (name === undefined) throw new BerthError('usage', 'the image has no name that could be the package\'s; give one with --name');
  const candidates = [label('version'), named.tag].flatMap((text) => (text === undefined ? [] : [text.replace(/^v(?=\d)/, '')]));
  const version = options.version ?? candidates.find((text) => versionFault(text) === undefined);
  if (version === undefined) throw new BerthError('usage', `the image's tag (${named.tag ?? 'none'}) is not a version; give one with --version`);
  const fields: (readonly [string, string])[] = [
    ['Package', name],
    ['Version', version],
    ['Architecture', options.architecture ?? architectureOf(config)],
    ['Description', foldDescription(options.description ?? label('description') ?? `${name}, imported from an OCI image`)],
  ];
  if (options.maintainer !== undefined) fields.splice(3, 0, ['Maintainer', options.maintainer]);
  return parseControl(Buffer.from(formatControl(fields)));
}

/** Package name and tag from `registry:5000/some/Name:tag`, `name`, or a tag alone as OCI has it. */
function splitReference(reference: string | undefined): { readonly name?: string; readonly tag?: string } {
  if (reference === undefined) return {};
  const last = reference.replace(/@sha256:.*$/, '').split('/').at(-1)!;
  const [first = '', tag] = last.split(':');
  // Without a slash or colon it is a tag (OCI image specification, `org.opencontainers.image.ref.name`).
  if (tag === undefined && !reference.includes('/')) return { tag: first };
  const name = first.toLowerCase().replaceAll('_', '-');
  return tag === undefined ? { name } : { name, tag };
}
