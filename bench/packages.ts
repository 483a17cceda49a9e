/** Packages to measure with, made as `berth build` makes them. */
import { closeSync, mkdirSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildPackage } from '../src/image/build.ts';
import { makeRootfs } from '../test/support/rootfs.ts';

/** A file in the root file system: its path, and how many bytes of a real program it holds. */
export interface Filling {
  readonly path: string;
  readonly bytes: number;
}

/** An app that does nothing until it is told to end. */
const idle = ['/bin/sh', '-c', "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"];

/** Makes a package in `folder` and gives its path; `run` adds to what its recipe says of the launch. */
export async function makeBenchPackage(folder: string, name: string, filling: readonly Filling[] = [], version = '1.0', run: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const source = join(folder, `${name}.source`);
  const rootfs = join(source, 'rootfs');
  mkdirSync(rootfs, { recursive: true });
  await makeRootfs(rootfs);
  fill(rootfs, filling);
  // JSON is YAML.
  writeFileSync(join(source, 'berth.yaml'), JSON.stringify({ name, version, architecture: 'all', rootfs: 'rootfs', run: { command: idle, restart: 'always', ...run } }));
  const path = join(folder, version === '1.0' ? `${name}.ipk` : `${name}_${version}.ipk`);
  await buildPackage(source, path);
  rmSync(source, { recursive: true });
  return path;
}

/** Writes files with pieces of the Node program, which compress as programs do; each file holds another piece. */
function fill(rootfs: string, filling: readonly Filling[]): void {
  const program = openSync(process.execPath, 'r');
  let offset = 0;
  for (const { path, bytes } of filling) {
    const content = Buffer.alloc(bytes);
    readSync(program, content, 0, bytes, offset);
    offset += bytes;
    mkdirSync(join(rootfs, path, '..'), { recursive: true });
    writeFileSync(join(rootfs, path), content);
  }
  closeSync(program);
}

/** `count` files of `bytes` together in directories of 50, from a tenth to nearly twice the mean. */
export function manyFiles(count: number, bytes: number): readonly Filling[] {
  const weight = (index: number): number => 0.1 + ((index * 7919) % count) / count;
  const total = Array.from({ length: count }, (_, index) => weight(index)).reduce((sum, one) => sum + one, 0);
  return Array.from({ length: count }, (_, index) => ({
    path: `srv/${Math.floor(index / 50)}/file-${index}`,
    bytes: Math.round((bytes * weight(index)) / total),
  }));
}
