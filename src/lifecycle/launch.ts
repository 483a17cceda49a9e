import { join } from 'node:path';
import { settingsOfConfig, type LaunchSettings } from '../image/index.ts';
import type { Json } from '../lib/json.ts';
import { parseStrictJson } from '../lib/strict-json.ts';
import { grant, type Grant, type GrantContext, type PolicyReport } from '../policy/index.ts';
import { dataDirectory } from '../store/index.ts';

/** An app's `config.json`, read: what it asks for and how it wants to be run. */
export interface LaunchRequest {
  readonly request: Json;
  readonly settings: LaunchSettings;
}

/** What the operator says about an app: its rights, and which devices there are. */
export type Ruling = Pick<GrantContext, 'entitlement' | 'declared'>;

/** Where the things that an instance needs are on the host. */
export interface LaunchPlaces extends Ruling {
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
  /** Host directory that holds the socket of the app's update bus; absent: it has none. */
  readonly busPath?: string;
}

/**
 * Reads a `config.json`.
 * @throws BerthError `bad_package` saying what is wrong with it
 */
export function readLaunch(config: string): LaunchRequest {
  const settings = settingsOfConfig(config);
  return { request: parseStrictJson(config, 'config.json'), settings };
}

/** The config that runs, for these places. */
export function planLaunch({ request, settings }: LaunchRequest, places: LaunchPlaces): Grant {
  return grant(request, {
    app: places.app,
    entitlement: places.entitlement,
    declared: places.declared,
    settings,
    rootfs: join(places.bundle, 'rootfs'),
    cgroupPath: places.cgroupPath,
    idBase: places.idBase,
    dataPaths: new Map(settings.data.map((path) => [path, dataDirectory(places.data, path)])),
    exportPaths: places.exportPaths,
    importPaths: places.importPaths,
    ...(places.busPath === undefined ? {} : { busPath: places.busPath }),
  });
}

/** What would be granted, wherever it runs. */
export function foresee(launch: LaunchRequest, app: string, ruling: Ruling): Pick<Grant, 'decisions' | 'extras'> {
  const nowhere = new Map<string, string>();
  return planLaunch(launch, { ...ruling, app, bundle: '/', data: '/', cgroupPath: '/', idBase: 0, exportPaths: nowhere, importPaths: nowhere });
}

/** What becomes of each field that an app asks for. */
export function explain(launch: LaunchRequest, app: string, ruling: Ruling): PolicyReport {
  const { decisions } = foresee(launch, app, ruling);
  return { app, origin: ruling.entitlement.origin, decisions, refused: decisions.filter(({ verdict }) => verdict === 'refused').length };
}
