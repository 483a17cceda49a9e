import * as v from 'valibot';
import { BerthError } from '../lib/errors.ts';
import { sha256Hex } from '../lib/digest.ts';
import { imageConfigSchema, parseDocument } from './image-config.ts';
import { type ImageFiles, readDocument } from './image-files.ts';
import { type ImageChoice, isReference, type SourceImage } from './oci-layout.ts';
import { formatPlatform, isPlatformOf } from './platform.ts';

const manifestName = 'manifest.json';
const manifestSchema = v.array(v.object({ Config: v.string(), RepoTags: v.nullish(v.array(v.string())), Layers: v.array(v.string()) }));

/** True if these files are what `docker save` wrote (in the form before Docker 25; later ones are an OCI layout too). */
export function isDockerArchive(files: ImageFiles): boolean {
  return files.get(manifestName) !== undefined;
}

/**
 * Finds an image in a `docker save` archive (Docker Image Specification v1.2, "Combined Image JSON + Filesystem
 * Changeset Format").
 * @throws BerthError `bad_package`, `not_found`, `architecture`, `usage` if there are several images and none is chosen.
 */
export function readDockerArchive(files: ImageFiles, choice: ImageChoice): SourceImage {
  const name = `${files.name}: ${manifestName}`;
  const images = parseDocument(manifestSchema, readDocument(files.get(manifestName)!, name).value, name);
  const { reference } = choice;
  const fitting = reference === undefined ? images : images.filter((image) => image.RepoTags?.some((tag) => isReference(tag, reference) || tag.endsWith(`:${reference}`)));
  const tags = images.flatMap((image) => image.RepoTags ?? []).join(', ');
  const [image] = fitting;
  if (image === undefined) throw new BerthError('not_found', `${files.name}: there is no image${reference === undefined ? '' : ` named ${reference}`}; there are: ${tags || 'none with names'}`);
  if (fitting.length > 1) throw new BerthError('usage', `${files.name}: there are several images; choose one with --reference: ${tags}`);
  return describe(files, image, choice);
}

function describe(files: ImageFiles, image: v.InferOutput<typeof manifestSchema>[number], choice: ImageChoice): SourceImage {
  const part = (path: string): NonNullable<ReturnType<ImageFiles['get']>> => {
    const content = files.get(path);
    if (content === undefined) throw new BerthError('bad_package', `${files.name}: ${path} is missing`);
    return content;
  };
  const { bytes, value } = readDocument(part(image.Config), `${files.name}: ${image.Config}`);
  const digest = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(image.Config)?.[1];
  if (digest !== undefined && sha256Hex(bytes) !== digest) throw new BerthError('bad_package', `${files.name}: ${image.Config} does not have the digest in its name; it is damaged`);
  const config = parseDocument(imageConfigSchema, value, `${files.name}: ${image.Config}`);
  if (choice.architecture !== undefined && !isPlatformOf(config, choice.architecture)) {
    throw new BerthError('architecture', `${files.name}: the image is for ${formatPlatform(config)}, not for ${choice.architecture}`);
  }
  const { diff_ids: diffIds } = config.rootfs;
  if (diffIds.length !== image.Layers.length) throw new BerthError('bad_package', `${files.name}: the image has ${image.Layers.length} layers, but its configuration names ${diffIds.length}`);
  const tag = image.RepoTags?.find((text) => choice.reference === undefined || isReference(text, choice.reference) || text.endsWith(`:${choice.reference}`));
  return {
    config,
    layers: image.Layers.map((path, number) => ({ content: part(path), diffId: diffIds[number]! })),
    ...(tag === undefined ? {} : { reference: tag }),
  };
}
