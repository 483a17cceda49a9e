import { join } from 'node:path';
import { settingsOfConfig, type LaunchSettings } from '../image/index.ts';
import type { Json } from '../lib/json.ts';
import { type DeclaredDevice, grant, type Grant, type WithheldField } from '../policy/index.ts';
import { dataDirectory } from '../store/index.ts';

/** An app's `config.json`, read: what it asks for and how it wants to be run. */
export interface LaunchRequest {
  readonly request: Json;
  readonly settings: LaunchSettings;
}

/** Where the things that an instance needs are on the host. */
export interface LaunchPlaces {
  readonly app: string;
  /** The image's bundle directory. */
  readonly bundle: string;
  /** The app's data directory of the current generation. */
  readonly data: string;
  readonly cgroupPath: string;
  /** User and group of the host that the app's root is. */
  readonly idBase: number;
  /** Host directories by export name, and by `<app>/<name>` for imports. */
  readonly exportPaths: ReadonlyMap<string, string>;
  readonly importPaths: ReadonlyMap<string, string>;
  /** Devices of this machine that apps can ask for. */
  readonly declared: readonly DeclaredDevice[];
  /** Host directory that holds the socket of the app's update bus; absent: it has none. */
  readonly busPath?: string;
}

/**
 * Reads a `config.json`.
 * @throws BerthError `bad_package` saying what is wrong with it
 */
export function readLaunch(config: string): LaunchRequest {
  const settings = settingsOfConfig(config);
  return { request: JSON.parse(config) as Json, settings };
}

/** The config that runs, for these places. */
export function planLaunch({ request, settings }: LaunchRequest, places: LaunchPlaces): Grant {
  return grant(request, {
    app: places.app,
    settings,
    rootfs: join(places.bundle, 'rootfs'),
    cgroupPath: places.cgroupPath,
    idBase: places.idBase,
    dataPaths: new Map(settings.data.map((path) => [path, dataDirectory(places.data, path)])),
    exportPaths: places.exportPaths,
    importPaths: places.importPaths,
    declared: places.declared,
    ...(places.busPath === undefined ? {} : { busPath: places.busPath }),
  });
}

/** What would be granted, wherever it runs. */
export function foresee(launch: LaunchRequest, app: string, declared: readonly DeclaredDevice[] = []): Pick<Grant, 'decisions' | 'extras'> {
  const nowhere = new Map<string, string>();
  return planLaunch(launch, { app, bundle: '/', data: '/', cgroupPath: '/', idBase: 0, exportPaths: nowhere, importPaths: nowhere, declared });
}

/** What would be withheld, wherever it runs. */
export function withheldOf(launch: LaunchRequest, app: string, declared: readonly DeclaredDevice[] = []): readonly WithheldField[] {
  return foresee(launch, app, declared).decisions.flatMap(({ path, verdict, why = '' }) => (verdict === 'granted' ? [] : [{ path, why }]));
}

