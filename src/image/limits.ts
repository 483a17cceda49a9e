import type { PackageLimits } from './types.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

/** What a device takes unless its configuration says otherwise (`limits:` in `berthd.yaml`). */
export const defaultLimits: PackageLimits = {
  packageBytes: 2 * GiB,
  unpackedBytes: 4 * GiB,
  entries: 200_000,
  pathDepth: 128,
  pathBytes: 4095,
  controlBytes: 256 * KiB,
  manifestBytes: 128 * MiB,
  signatureBytes: 256 * KiB,
  configBytes: 1 * MiB,
  expansionRatio: 200,
};

/** More packages than anybody applies together. */
export const maxPayloadPackages = 256;
