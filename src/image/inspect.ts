import type { Readable } from 'node:stream';
import { settingsOfConfig } from './config.ts';
import { defaultLimits } from './limits.ts';
import type { LaunchSettings } from './settings.ts';
import type { ManifestEntry, PackageLimits, PackageReport } from './types.ts';
import { unpackPackage } from './unpack.ts';

/** Everything that a package says, as plain data that can be printed as JSON. */
export interface PackageDocument extends Omit<PackageReport, 'control' | 'config'> {
  readonly package: string;
  readonly version: string;
  readonly architecture: string;
  /** Every field of control, in its order. */
  readonly control: Readonly<Record<string, string>>;
  /** `config.json`, or null if there is none. */
  readonly config: unknown;
  /** What Berth reads from its annotations, with defaults; null without a `config.json`. */
  readonly settings: LaunchSettings | null;
  /** Every entry as in the content manifest, if asked for. */
  readonly contents?: readonly ManifestEntry[];
}

export interface InspectOptions {
  readonly limits?: PackageLimits;
  readonly signal?: AbortSignal;
  /** Also list every entry. */
  readonly files?: boolean;
}

/** Reads a package to its end and checks all that installing would, but writes nothing. @throws as {@link unpackPackage}. */
export async function inspectPackage(source: Readable | AsyncIterable<Uint8Array>, options: InspectOptions = {}): Promise<PackageDocument> {
  const { limits = defaultLimits, signal, files = false } = options;
  const contents: ManifestEntry[] = [];
  const { control, config, ...report } = await unpackPackage(source, undefined, {
    limits,
    ...(signal === undefined ? {} : { signal }),
    ...(files ? { onEntry: (entry) => contents.push(entry) } : {}),
  });
  return {
    package: control.package,
    version: control.version,
    architecture: control.architecture,
    ...report,
    control: Object.fromEntries(control.fields),
    config: config === undefined ? null : JSON.parse(config),
    settings: config === undefined ? null : settingsOfConfig(config),
    ...(files ? { contents } : {}),
  };
}
