import type { LaunchSettings } from '../image/index.ts';
import type { OciConfig } from '../runtime/index.ts';
import type { Decisions } from './decisions.ts';
import type { Rights, VolumeGrant } from './rights.ts';

/** Where the owner of a volume sees it, by its name. */
export const volumesRoot = '/run/volumes';

/**
 * The volumes that an app shares and uses. The operator has no say here: whether the owner consents is judged when a
 * payload is, with all apps in view (`update/candidate.ts`).
 */
export function grantVolumes(app: string, asked: Pick<LaunchSettings, 'sharedVolumes' | 'volumes'>, decide: Decisions): readonly VolumeGrant[] {
  const names = [...new Set(asked.sharedVolumes.map(({ name }) => name))];
  const shared = names.map((name): VolumeGrant => ({ owner: app, name, path: `${volumesRoot}/${name}`, access: 'write' }));
  if (names.length > 0) decide.granted('annotations["org.berth.volumes.share"]', names);
  const used = asked.volumes.map(({ owner, name, path, access }): VolumeGrant => ({ owner, name, path, access }));
  if (used.length > 0) decide.granted('annotations["org.berth.volumes.use"]', used.map(({ owner, name, path, access }) => `${owner}/${name}:${path}${access === 'read' ? ':ro' : ''}`));
  return [...shared, ...used];
}

/**
 * The config with mounts of the volumes that are granted.
 * @param pathOf the host directory of a volume
 */
export function withVolumes(config: OciConfig, volumes: readonly VolumeGrant[], pathOf: (volume: VolumeGrant) => string): OciConfig {
  const mounts = volumes.map((volume) => ({
    destination: volume.path,
    type: 'bind',
    source: pathOf(volume),
    options: ['bind', 'nosuid', 'nodev', 'noexec', volume.access === 'read' ? 'ro' : 'rw'],
  }));
  return mounts.length === 0 ? config : { ...config, mounts: [...(config['mounts'] as readonly unknown[]), ...mounts] };
}

/** Most bytes of data: the lesser of what is asked for and what may be had; undefined: no bound. */
export function grantDataBytes(asked: Pick<LaunchSettings, 'dataBytes'>, rights: Pick<Rights, 'data'>, decide: Decisions): number | undefined {
  const { dataBytes } = asked;
  const most = rights.data ?? Infinity;
  if (dataBytes === undefined) return most === Infinity ? undefined : most;
  const path = 'annotations["org.berth.data.size"]';
  if (dataBytes <= most) {
    decide.granted(path, dataBytes);
    return dataBytes;
  }
  decide.limited(path, dataBytes, `the policy lets the data of this app take ${most} bytes (rights: data)`, most);
  return most;
}
