import type { Dependency } from '../image/index.ts';
import { BerthError } from '../lib/errors.ts';
import type { PublishedPort } from '../lib/network.ts';
import { missingDependencies, type Provided } from './dependencies.ts';

/** An installed app: what it offers others and what it needs. */
export interface InstalledApp extends Provided {
  readonly version: string;
  readonly depends: readonly Dependency[];
  /** What it exports and imports, as `<app>/<name>`. */
  readonly exports: readonly string[];
  readonly imports: readonly string[];
  /** Volumes that it shares, as `<app>/<name>`, with one app or with any that names it in `Depends`; and those that it uses. */
  readonly sharedVolumes: readonly { readonly volume: string; readonly app?: string }[];
  readonly usedVolumes: readonly string[];
  /** Ports of the device that it publishes. */
  readonly ports: readonly PublishedPort[];
  /** Names of what it is started after. */
  readonly startsAfter: readonly string[];
}

/** An app that would lose something it needs. */
export interface Bereft {
  readonly app: string;
  /** Parts of its `Depends` and imports, as the package writes them. */
  readonly loses: readonly string[];
}

/**
 * The apps that have what they need before a change and would not have it afterwards. What is lacking already does not
 * count, nor does the app that changes itself.
 */
export function bereft(platform: readonly Provided[], before: readonly InstalledApp[], after: readonly InstalledApp[]): readonly Bereft[] {
  return after.flatMap((app) => {
    if (!before.includes(app)) return [];
    const lackedBefore = new Set(lacking(app, platform, before));
    const loses = lacking(app, platform, after).filter((need) => !lackedBefore.has(need));
    return loses.length === 0 ? [] : [{ app: app.name, loses }];
  });
}

function lacking(app: InstalledApp, platform: readonly Provided[], apps: readonly InstalledApp[]): readonly string[] {
  const exported = new Set(apps.flatMap((other) => other.exports));
  return [
    ...missingDependencies(app.depends, [...platform, ...apps]).map(({ wanted }) => wanted),
    ...app.imports.filter((wanted) => !exported.has(wanted)),
    ...app.usedVolumes.filter((wanted) => !isShared(wanted, app.name, apps)).map((wanted) => `the volume ${wanted}`),
  ];
}

/** True if one of the apps shares a volume with `user`. */
export function isShared(wanted: string, user: string, apps: readonly InstalledApp[]): boolean {
  return apps.some(({ sharedVolumes }) => sharedVolumes.some(({ volume, app }) => volume === wanted && (app === undefined || app === user)));
}

/** @throws BerthError `dependency` if others need the app */
export function requireNobodyNeeds(name: string, platform: readonly Provided[], apps: readonly InstalledApp[]): void {
  const needing = bereft(platform, apps, apps.filter((app) => app.name !== name));
  if (needing.length === 0) return;
  throw new BerthError('dependency', `${name} is needed by ${needing.map(({ app }) => app).join(', ')}; remove what needs it first`, { detail: { needing } });
}

/** @throws BerthError `dependency` if others need what new versions do not offer */
export function requireAllKept(replacements: readonly InstalledApp[], platform: readonly Provided[], apps: readonly InstalledApp[]): void {
  const names = new Set(replacements.map((app) => app.name));
  const needing = bereft(platform, apps, [...apps.filter((app) => !names.has(app.name)), ...replacements]);
  if (needing.length === 0) return;
  const parts = needing.map(({ app, loses }) => `${app} needs ${loses.join(' and ')}`);
  const offered = replacements.map(({ name, version }) => `${name} ${version}`).join(' with ');
  const message = `${offered} does not offer what installed apps need: ${parts.join('; ')}. Remove those apps first, or install another version`;
  throw new BerthError('dependency', message, { detail: { needing } });
}
