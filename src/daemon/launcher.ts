import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDepends, parseSettings, type LaunchSettings } from '../image/index.ts';
import { BerthError } from '../lib/errors.ts';
import { explain, foresee, planLaunch, readLaunch, type LaunchPlan, type LaunchRequest } from '../lifecycle/index.ts';
import { requireGranted, withLoan, withVolumes, type PolicyReport, type VolumeGrant } from '../policy/index.ts';
import type { Exchange, Runtime } from '../runtime/index.ts';
import { makeVolume, volumesDirectory, type AppRow, type ImageRow, type Store } from '../store/index.ts';
import type { Rulings } from './rulings.ts';

/** Turns an app's row into what the supervisor needs to run it, from the image on disk. */
export interface Launcher {
  /** @throws BerthError if the image cannot be run */
  plan(app: AppRow): LaunchPlan;
  /** What becomes of what an installed app asks for. @throws BerthError if its image cannot be read */
  explain(app: AppRow): PolicyReport;
  /** What an app's image says. Of one that is damaged the defaults; its own state tells why. */
  settings(app: Pick<AppRow, 'image'>): LaunchSettings;
}

export interface LauncherOptions {
  readonly store: Store;
  readonly runtime: Runtime;
  readonly exchange: Exchange;
  readonly rulings: Pick<Rulings, 'forStart'>;
  /** Gives the host directory of an app's update bus, which is then served. */
  readonly openBus: (app: string) => Promise<string>;
  /** Asked before each start. @throws BerthError why the image must not run any more */
  readonly requireRunnable: (image: ImageRow) => void;
}

export function openLauncher({ store, runtime, exchange, rulings, openBus, requireRunnable }: LauncherOptions): Launcher {
  const launchOf = (app: Pick<AppRow, 'image'>): LaunchRequest => readLaunch(readFileSync(join(store.imagePaths(app.image).bundle, 'config.json'), 'utf8'));
  const imageOf = (app: AppRow): ImageRow => {
    const image = store.image(app.image);
    if (image === undefined) throw new BerthError('internal', `${app.name}: the database names an image that it does not know (${app.image}); install the app again`);
    return image;
  };
  return {
    explain: (app) => explain(launchOf(app), app.name, rulings.forStart(imageOf(app))),
    plan: (app) => {
      const image = imageOf(app);
      const launch = launchOf(app);
      const { settings } = launch;
      const ruling = rulings.forStart(image);
      const { decisions, extras: { network, devices, dataBytes } } = foresee(launch, app.name, ruling);
      return {
        settings,
        degraded: decisions.filter(({ verdict }) => verdict === 'degraded'),
        network,
        devices,
        hostUser: store.idRange(app.name),
        ...(dataBytes === undefined ? {} : { dataBytes }),
        dependsOn: parseDepends(image.depends).flatMap((dependency) => dependency.map((alternative) => alternative.name)),
        spec: async (id, loan) => {
          requireRunnable(image);
          // Here, and not when the plan is made: what runs from before is taken over with the settings of its image.
          requireGranted(app.name, decisions, ruling.entitlement.origin);
          const exportPaths = await openAll(settings.exports, (name) => exchange.open(app.name, name, store.idRange(app.name)));
          const importPaths = await openAll(settings.imports, (wanted) => {
            const [provider = '', name = ''] = wanted.split('/');
            return exchange.open(provider, name, store.idRange(provider));
          });
          const busPath = await openBus(app.name);
          const { config, extras } = planLaunch(launch, {
            ...ruling,
            app: app.name,
            bundle: store.imagePaths(app.image).bundle,
            data: store.dataPath(app.name, app.dataGeneration),
            cgroupPath: runtime.cgroupPath(app.name),
            idBase: store.idRange(app.name),
            exportPaths,
            importPaths,
            busPath,
          });
          const volumes = new Map(await Promise.all(extras.volumes.map(async (volume) => [volume, await openVolume(store, volume)] as const)));
          const shared = withVolumes(config, extras.volumes, (volume) => volumes.get(volume)!);
          return { id, app: app.name, config: loan === undefined ? shared : withLoan(shared, loan), network: extras.network, hostPaths: extras.hostPaths, busNames: extras.busNames, limits: { blockIo: extras.blockIo } };
        },
      };
    },
    settings: (app) => {
      try {
        return launchOf(app).settings;
      } catch {
        return parseSettings({});
      }
    },
  };
}

/** Made by whichever app starts first, the owner or one that uses it. */
async function openVolume(store: Store, { owner, name }: VolumeGrant): Promise<string> {
  return makeVolume(join(store.root, volumesDirectory(owner), name), store.idRange(owner));
}

async function openAll(names: readonly string[], open: (name: string) => Promise<string>): Promise<ReadonlyMap<string, string>> {
  return new Map(await Promise.all(names.map(async (name) => [name, await open(name)] as const)));
}
