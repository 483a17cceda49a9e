import * as v from 'valibot';
import { digestOf } from '../lib/digest.ts';
import { BerthError } from '../lib/errors.ts';
import type { Content } from './content.ts';
import { type ImageConfig, imageConfigSchema, parseDocument } from './image-config.ts';
import { type ImageFiles, readDocument } from './image-files.ts';
import { formatPlatform, isPlatformOf, type Platform } from './platform.ts';

/** An image whose parts have been found; layers from the lowest up. */
export interface SourceImage {
  readonly config: ImageConfig;
  /** `digest` of the bytes as they are, if the source names it; `diffId` of the bytes decompressed. */
  readonly layers: readonly { readonly content: Content; readonly digest?: string; readonly diffId: string }[];
  /** Name and tag as the source has them, if it has. */
  readonly reference?: string;
}

export interface ImageChoice {
  /** Debian's name of the architecture wanted. Without it the only image is taken, whatever it is for. */
  readonly architecture?: string;
  /** Name and tag, or tag, of the image wanted, where there are several. */
  readonly reference?: string;
  /** Architecture to take when there are several and none is asked for. */
  readonly hostArchitecture: string;
}

const digest = v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/, 'not a SHA-256 digest, which is all that Berth checks'));
const descriptorSchema = v.object({
  mediaType: v.optional(v.string(), ''),
  digest,
  size: v.pipe(v.number(), v.integer(), v.minValue(0)),
  platform: v.nullish(v.object({ os: v.string(), architecture: v.string(), variant: v.optional(v.string()) })),
  annotations: v.nullish(v.record(v.string(), v.string())),
});
type Descriptor = v.InferOutput<typeof descriptorSchema>;
const indexSchema = v.object({ manifests: v.array(descriptorSchema) });
const manifestSchema = v.object({ config: descriptorSchema, layers: v.array(descriptorSchema) });
const layoutSchema = v.object({ imageLayoutVersion: v.literal('1.0.0') });

/** Docker's full name first, then OCI's tag (OCI image specification, "Annotations"). */
const nameAnnotations = ['io.containerd.image.name', 'org.opencontainers.image.ref.name'] as const;
/** An index may name an index (one for all platforms), which names manifests. */
const maxIndexDepth = 4;

/** True if these files are an OCI image layout. */
export function isOciLayout(files: ImageFiles): boolean {
  return files.get('oci-layout') !== undefined && files.get('index.json') !== undefined;
}

/**
 * Finds an image in an OCI image layout (OCI image specification, "Image Layout"). Every document's digest is checked;
 * those of layers are left to whoever reads them.
 * @throws BerthError `bad_package`, `not_found`, `unsupported`, `usage` if there are several images and none is chosen.
 */
export function readOciLayout(files: ImageFiles, choice: ImageChoice): SourceImage {
  parseDocument(layoutSchema, readDocument(files.get('oci-layout')!, `${files.name}: oci-layout`).value, `${files.name}: oci-layout`);
  const name = `${files.name}: index.json`;
  const index = parseDocument(indexSchema, readDocument(files.get('index.json')!, name).value, name);
  const chosen = choosePlatform(files, chooseReference(files, index.manifests, choice), choice);
  const manifest = parseDocument(manifestSchema, readBlob(files, chosen.descriptor), chosen.descriptor.digest);
  const config = parseDocument(imageConfigSchema, readBlob(files, manifest.config), manifest.config.digest);
  const { diff_ids: diffIds } = config.rootfs;
  if (diffIds.length !== manifest.layers.length) throw new BerthError('bad_package', `${files.name}: the image has ${manifest.layers.length} layers, but its configuration names ${diffIds.length}`);
  const layers = manifest.layers.map((layer, number) => ({ content: blob(files, layer), digest: layer.digest, diffId: diffIds[number]! }));
  return { config, layers, ...(chosen.reference === undefined ? {} : { reference: chosen.reference }) };
}

interface Candidate {
  readonly descriptor: Descriptor;
  readonly platform: Platform;
  readonly reference?: string | undefined;
}

function referenceOf({ annotations }: Descriptor): string | undefined {
  return nameAnnotations.map((name) => annotations?.[name]).find((text) => text !== undefined);
}

function chooseReference(files: ImageFiles, manifests: readonly Descriptor[], { reference }: ImageChoice): readonly Descriptor[] {
  if (reference === undefined) return manifests;
  const matching = manifests.filter(({ annotations }) => nameAnnotations.some((name) => isReference(annotations?.[name], reference)));
  if (matching.length > 0) return matching;
  const known = manifests.flatMap((descriptor) => referenceOf(descriptor) ?? []);
  throw new BerthError('not_found', `${files.name}: there is no image named ${reference}; there are: ${known.join(', ') || 'none with names'}`);
}

/** Whether a full name is the one wanted, with or without the registry and `library/` that Docker puts before it. */
export function isReference(full: string | undefined, wanted: string): boolean {
  return full !== undefined && (full === wanted || full.endsWith(`/${wanted}`));
}

function choosePlatform(files: ImageFiles, descriptors: readonly Descriptor[], { architecture, hostArchitecture }: ImageChoice): Candidate {
  const candidates = descriptors.flatMap((descriptor) => expand(files, descriptor, referenceOf(descriptor), 0));
  const names = [...new Set(candidates.map((candidate) => candidate.reference))];
  if (names.length > 1) throw new BerthError('usage', `${files.name}: there are several images; choose one with --reference: ${names.map((name) => name ?? '(without a name)').join(', ')}`);
  const wanted = architecture ?? (candidates.length > 1 ? hostArchitecture : undefined);
  const fitting = wanted === undefined ? candidates : candidates.filter(({ platform }) => isPlatformOf(platform, wanted));
  const [first] = fitting;
  if (first !== undefined) return first;
  const found = candidates.map(({ platform }) => formatPlatform(platform)).join(', ');
  throw new BerthError('architecture', `${files.name}: there is no image for ${wanted ?? 'Linux'}; there are: ${found || 'none at all'}`);
}

/** The images that a descriptor leads to. */
function expand(files: ImageFiles, descriptor: Descriptor, reference: string | undefined, depth: number): readonly Candidate[] {
  if (depth > maxIndexDepth) throw new BerthError('bad_package', `${files.name}: index within index, more than ${maxIndexDepth} deep`);
  // Build attestations stand among the images, for a platform that does not exist.
  if (descriptor.platform?.os === 'unknown' || files.get(blobPath(descriptor.digest)) === undefined) return [];
  const document = readBlob(files, descriptor);
  if (isIndex(document)) {
    const index = parseDocument(indexSchema, document, descriptor.digest);
    return index.manifests.flatMap((inner) => expand(files, inner, reference, depth + 1));
  }
  if (descriptor.platform !== undefined && descriptor.platform !== null) return [{ descriptor, platform: descriptor.platform, reference }];
  const manifest = parseDocument(manifestSchema, document, descriptor.digest);
  const { os, architecture, variant } = parseDocument(imageConfigSchema, readBlob(files, manifest.config), manifest.config.digest);
  return [{ descriptor, platform: { os, architecture, variant }, reference }];
}

function isIndex(document: unknown): boolean {
  return document !== null && typeof document === 'object' && 'manifests' in document;
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function blob(files: ImageFiles, { digest }: Descriptor): Content {
  const content = files.get(blobPath(digest));
  if (content === undefined) throw new BerthError('bad_package', `${files.name}: the blob ${digest} is missing`);
  return content;
}

function readBlob(files: ImageFiles, descriptor: Descriptor): unknown {
  const { bytes, value } = readDocument(blob(files, descriptor), `${files.name}: ${descriptor.digest}`);
  if (digestOf(bytes) !== descriptor.digest) throw new BerthError('bad_package', `${files.name}: the blob ${descriptor.digest} does not have that digest; it is damaged`);
  return value;
}
