import { gzipSync, zstdCompressSync } from 'node:zlib';
import { arArchive, berthMembers, classicPackage, cpioArchive, dir, swDescription, symlink, tarArchive, tinyControl, type EntrySpec, type Member } from '../src/image/test-fixtures.ts';
import { flip, mutatedPackage, mutateTar, mutateText, type BasePackages } from './package-mutator.ts';
import type { Random } from './random.ts';

/** Half of them single packages; the rest archives of packages and update images, most of them well formed outside. */
export function mutatedPayload(bases: BasePackages, random: Random, canary: string): Buffer {
  if (random.once(2)) return mutatedPackage(bases, random, canary);
  const tar = mutateTar(tarArchive(files(bases, random, canary)), random);
  const packed = random.pick([(bytes: Buffer) => bytes, (bytes: Buffer) => gzipSync(bytes, { level: 1 }), zstdCompressSync])(tar);
  const payload = random.once(2) ? packed : updateImage(packed, random);
  return random.once(6) ? broken(payload, random) : payload;
}

/** Packages with names of their own, and now and then something that is none, or a mutated one. */
function files(bases: BasePackages, random: Random, canary: string): readonly EntrySpec[] {
  const parts: EntrySpec[] = [];
  for (let count = 1 + random.below(4); count > 0; count -= 1) {
    const control = tinyControl.replace('demo', random.once(12) ? 'demo' : `app${parts.length}`);
    const data = random.once(12) ? mutatedPackage(bases, random, canary) : random.once(2) ? classicPackage(bases.entries, control) : arArchive(berthMembers(bases.entries, { control }));
    parts.push({ name: `${random.once(2) ? './' : ''}${parts.length}.ipk`, data });
  }
  if (random.once(6)) parts.splice(random.below(parts.length + 1), 0, stranger(random, canary));
  return random.once(4) ? [dir('./'), ...parts] : parts;
}

function stranger(random: Random, canary: string): EntrySpec {
  const name = random.pick(['x.ipk', 'x/x.ipk', '../x.ipk', `${canary}/x.ipk`, 'x', '', 'x.ipk/', '.ipk', './']);
  return random.pick([{ name, data: 'x' }, dir(name), symlink(name, `${canary}/victim`), { name, size: 2 ** 33 }]);
}

function updateImage(packed: Buffer, random: Random): Buffer {
  const description = random.once(4) ? Buffer.from(mutateText(swDescription().toString(), random)) : swDescription();
  const members: Member[] = [['sw-description', description], ['APPSv3.tar.xz', packed]];
  if (random.once(8)) members.splice(random.below(3), 0, random.pick(members));
  if (random.once(8)) members.splice(random.below(members.length), 1);
  return cpioArchive(members, { format: random.once(3) ? 'newc' : 'crc', ...(random.once(12) ? { sum: random.below(2 ** 31) } : {}) });
}

function broken(bytes: Buffer, random: Random): Buffer {
  const way = random.below(3);
  if (way === 0) return bytes.subarray(0, random.below(bytes.length));
  if (way === 1) return Buffer.concat([bytes, Buffer.alloc(1 + random.below(600), random.below(2))]);
  return flip(bytes, random);
}
