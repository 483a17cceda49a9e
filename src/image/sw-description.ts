import { isUtf8 } from 'node:buffer';
import { BerthError } from '../lib/errors.ts';
import { parseLibconfig, type Setting } from './libconfig.ts';

/** First file of an update image; it says what the others are. */
export const swDescriptionName = 'sw-description';
export const maxSwDescriptionBytes = 64 * 1024;

/** What Mbed Linux OS calls an image that is an archive of packages. */
const packagesType = 'APPSv3';

/** What a group of `software` holds that is more than a word about the whole (SWUpdate, "sw-description"). */
const otherContents: readonly string[] = ['files', 'scripts', 'partitions', 'bootenv', 'uboot'];

/** The image that holds packages. */
export interface SwImage {
  readonly filename: string;
  /** Of the file, in hexadecimal, if it is told. */
  readonly sha256?: string;
}

/**
 * The one image of packages that an update image of Mbed Linux OS has.
 * @throws BerthError `unsupported` if there is anything else to be installed, `bad_package`.
 */
export function parseSwDescription(bytes: Buffer): SwImage {
  if (!isUtf8(bytes)) throw bad('it is not UTF-8 text');
  const software = parseLibconfig(bytes.toString('utf8'), swDescriptionName).get('software');
  if (!isGroup(software)) throw bad('there is no group "software"');
  const others = [...software].filter(([name, value]) => isGroup(value) || otherContents.includes(name)).map(([name]) => name);
  if (others.length > 0) throw unsupported(`"software" has ${others.join(', ')}`);
  const images = software.get('images');
  if (!Array.isArray(images) || !(images as readonly Setting[]).every(isGroup)) throw bad('"software" has no list "images" of groups');
  return theImage(images);
}

function theImage(images: readonly ReadonlyMap<string, Setting>[]): SwImage {
  const foreign = images.map((image) => textOf(image, 'type') ?? 'none').filter((type) => type !== packagesType);
  if (foreign.length > 0) throw unsupported(`it has images of type ${[...new Set(foreign)].join(', ')}`);
  const [image] = images;
  if (image === undefined || images.length > 1) throw bad(`it has ${images.length} images; Berth takes one, of type ${packagesType}`);
  if (image.get('encrypted') === true) throw unsupported('its image is encrypted');
  const [filename, sha256] = [textOf(image, 'filename'), textOf(image, 'sha256')];
  if (filename === undefined || filename === '') throw bad('its image has no "filename"');
  return { filename, ...(sha256 === undefined ? {} : { sha256: sha256.toLowerCase() }) };
}

function isGroup(value: Setting | undefined): value is ReadonlyMap<string, Setting> {
  return value instanceof Map;
}

function textOf(group: ReadonlyMap<string, Setting>, name: string): string | undefined {
  const value = group.get(name);
  if (value !== undefined && typeof value !== 'string') throw bad(`"${name}" of an image is not text`);
  return value;
}

function bad(reason: string): BerthError {
  return new BerthError('bad_package', `${swDescriptionName}: ${reason}`);
}

function unsupported(reason: string): BerthError {
  return new BerthError('unsupported', `${swDescriptionName}: ${reason}; Berth updates applications only (one image of type ${packagesType})`);
}
