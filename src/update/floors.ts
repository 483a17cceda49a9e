import { compareVersions } from '../image/index.ts';
import { BerthError } from '../lib/errors.ts';

/** @throws BerthError `downgrade` for a version below the floor */
export function requireFloor(app: string, version: string, floor: string | undefined): void {
  if (floor === undefined || compareVersions(version, floor) >= 0) return;
  throw new BerthError(
    'downgrade',
    `${app} ${version} is older than ${floor}, which has run well here; its data may be too new for it. --allow-downgrade takes it all the same`,
    { detail: { app, version, floor } },
  );
}

/** The floor after a commit: it rises, and falls only where the operator allowed it. */
export function floorAfter(version: string, floor: string | undefined, allowDowngrade: boolean): string {
  return floor === undefined || allowDowngrade || compareVersions(version, floor) > 0 ? version : floor;
}
