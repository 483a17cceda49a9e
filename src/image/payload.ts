import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { asBerthError, BerthError } from '../lib/errors.ts';
import { formatSize } from '../lib/units.ts';
import { reading } from './byte-source.ts';
import { formatControl } from './control.ts';
import { readPayload } from './payload-reader.ts';
import { emptyTally } from './tally.ts';
import type { PackageReport, PayloadPackage, PayloadReport } from './types.ts';
import { unpackFiles, type UnpackOptions } from './unpack.ts';

/** What the reports of all packages may say together; one says at most its `config.json`, control and warnings. */
export const maxToldBytes = 12 * 1024 * 1024;

/** Where the package of this number, counted from 0, is unpacked. */
export function packageDirectory(target: string, index: number): string {
  return join(target, String(index));
}

/**
 * Reads a whole payload: one package, a tar archive of packages (as it is or compressed), or an `.swu` of Mbed Linux
 * OS with one. Unpacks each package as `unpackPackage` does into `<target>/<index>`, or only reads them if `target` is
 * undefined. All of them or none: after an error `target` is empty again.
 * @throws BerthError as `unpackPackage`; what is wrong within a package of an archive is told with its file's name.
 */
export async function unpackPayload(source: Readable | AsyncIterable<Uint8Array>, target: string | undefined, options: UnpackOptions): Promise<PayloadReport> {
  const { limits, signal } = options;
  return await reading(source, target, { maxBytes: limits.packageBytes, what: 'payload', signal }, async (bytes) => {
    const packages: PayloadPackage[] = [];
    const tally = emptyTally();
    let told = 0;
    const kind = await readPayload(bytes.chunks, limits, async ({ name, size, files }) => {
      const directory = target === undefined ? undefined : packageDirectory(target, packages.length);
      if (directory !== undefined) await mkdir(directory, { mode: 0o711 });
      try {
        const found = await unpackFiles(files, directory, { ...options, source: bytes, tally });
        const report = { ...found, packageBytes: size ?? bytes.bytes };
        told += toldBytes(report);
        if (told > maxToldBytes) throw new BerthError('too_large', `the packages say more of themselves (config.json, control, warnings) than ${formatSize(maxToldBytes)}`);
        requireNew(report.control.package, packages);
        packages.push({ directory, name, report });
      } catch (error) {
        bytes.stop();
        throw name === '' ? error : within(name, error);
      }
    });
    return { kind, bytes: bytes.bytes, packages };
  });
}

function toldBytes({ config, control, warnings }: PackageReport): number {
  return Buffer.byteLength(JSON.stringify([config, formatControl(control.fields), warnings]));
}

function requireNew(app: string, packages: readonly PayloadPackage[]): void {
  const other = packages.find(({ report }) => report.control.package === app);
  if (other !== undefined) throw new BerthError('bad_package', `its Package is ${app}, as that of ${other.name}; a payload holds one version of an app`);
}

function within(name: string, thrown: unknown): BerthError {
  const { code, message, detail } = asBerthError(thrown);
  return new BerthError(code, `${name}: ${message}`, { detail, cause: thrown });
}
