import { contentSize } from './content.ts';
import { encodeTarHeader, fitsTarHeader, tarBlockBytes, tarPadding, tarTypes, type TarHeader } from './tar-header.ts';
import type { PackEntry } from './tree.ts';

/** Two blocks of zeros end an archive. */
export const tarEnd: Buffer = Buffer.alloc(2 * tarBlockBytes);

/**
 * Everything that stands before an entry's contents: its header and, for names that do not fit in it, GNU long-name
 * entries, which (unlike pax headers) dpkg reads too. Names begin with `./`, owner names are empty.
 */
export function tarHeaderBytes(entry: PackEntry): Buffer {
  return encodeHeader(headerOf(entry));
}

/** As {@link tarHeaderBytes}, for a file of this size in bytes that anybody may read, without owner and time. */
export function tarFileHeader(path: string, size: number): Buffer {
  return encodeHeader({ name: `./${path}`, mode: 0o644, uid: 0, gid: 0, mtime: 0, size, linkName: '', type: tarTypes.file });
}

function encodeHeader(header: TarHeader): Buffer {
  if (fitsTarHeader(header)) return encodeTarHeader(header);
  const blocks: Buffer[] = [];
  let short = header;
  if (!fitsTarHeader({ ...header, name: 'x', size: 0 })) {
    blocks.push(longName(tarTypes.gnuLongLink, header.linkName));
    short = { ...short, linkName: cut(short.linkName) };
  }
  if (!fitsTarHeader({ ...header, linkName: '', size: 0 })) {
    blocks.push(longName(tarTypes.gnuLongName, header.name));
    short = { ...short, name: cut(short.name) };
  }
  return Buffer.concat([...blocks, encodeTarHeader(short)]);
}

/** Zeros after an entry's contents. */
export function tarPaddingBytes(size: number): Buffer {
  return tarEnd.subarray(0, tarPadding(size));
}

/** Bytes that an entry takes in the archive. */
export function tarEntrySize(entry: PackEntry): number {
  const contents = entry.type === 'file' ? contentSize(entry.content) : 0;
  return tarHeaderBytes(entry).length + contents + tarPadding(contents);
}

function headerOf(entry: PackEntry): TarHeader {
  const { mode, uid, gid, mtime } = entry;
  const base = { name: `./${entry.path}`, mode, uid, gid, mtime, size: 0, linkName: '' };
  switch (entry.type) {
    case 'dir':
      return { ...base, name: `${base.name}/`, type: tarTypes.dir };
    case 'file':
      return { ...base, type: tarTypes.file, size: contentSize(entry.content) };
    case 'symlink':
      return { ...base, type: tarTypes.symlink, linkName: entry.target };
    case 'hardlink':
      return { ...base, type: tarTypes.hardlink, linkName: `./${entry.target}` };
  }
}

/** GNU tar's `././@LongLink`: the name, with an ending zero, as contents of an entry before the one that it is for. */
function longName(type: string, name: string): Buffer {
  const contents = Buffer.from(`${name}\0`);
  const header = { name: '././@LongLink', mode: 0, uid: 0, gid: 0, mtime: 0, size: contents.length, linkName: '', type };
  return Buffer.concat([encodeTarHeader(header), contents, tarPaddingBytes(contents.length)]);
}

/** As much of a name as surely fits in 100 bytes, without a broken character at its end. */
function cut(name: string): string {
  return Buffer.from(name).subarray(0, 96).toString('utf8').replace(/\ufffd+$/, '');
}
