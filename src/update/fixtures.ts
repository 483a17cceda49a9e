/** Plain data that tests of updates are about. */
import { createHash } from 'node:crypto';
import { annotationPrefix, parseSettings } from '../image/index.ts';
import type { AppRow, ImageRow } from '../store/index.ts';
import type { Candidate } from './candidate.ts';
import type { AppTrial } from './trial.ts';

type Annotations = Readonly<Record<string, string>>;

/** An image of 1,000 bytes in 10 entries, whose digest follows from name and version. */
export function fakeImage(name: string, version = '1.0', change: Partial<ImageRow> = {}): ImageRow {
  const digest = `sha256:${createHash('sha256').update(`${name} ${version}`).digest('hex')}` as const;
  return { digest, package: name, version, architecture: 'all', depends: '', description: '', bytes: 1000, entries: 10, signed: false, signers: [], addedAt: 0, ...change };
}

/** @param annotations by names without their prefix */
export function fakeCandidate(image: ImageRow, annotations: Annotations = {}): Candidate {
  const named = Object.fromEntries(Object.entries(annotations).map(([name, value]) => [annotationPrefix + name, value]));
  return { image, settings: parseSettings(named), degraded: [], warnings: [] };
}

export function fakeApp(image: ImageRow, change: Partial<AppRow> = {}): AppRow {
  return { name: image.package, image: image.digest, desired: 'running', dataGeneration: 1, installedAt: 0, restarts: 0, failed: false, instance: null, lastExit: null, ...change };
}

/** An app that is to stay up for ten seconds, of which nothing is known yet. */
export function fakeTrial(app: string, { wanted, ...change }: Partial<Omit<AppTrial, 'wanted'>> & { readonly wanted?: Partial<AppTrial['wanted']> } = {}): AppTrial {
  return {
    app,
    wanted: { uptimeMs: 10_000, health: false, confirm: false, ...wanted },
    restart: 'on-failure', confirmed: false, vouched: false, endedWell: false, healthy: false,
    ...change,
  };
}
