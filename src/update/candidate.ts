import { isArchitectureAccepted, type LaunchSettings, type PackageReport } from '../image/index.ts';
import { BerthError } from '../lib/errors.ts';
import { readLaunch, withheldOf } from '../lifecycle/index.ts';
import type { WithheldField } from '../policy/index.ts';
import type { ImageRow } from '../store/index.ts';
import { requireDependencies, type Provided } from './dependencies.ts';
import { requireAllKept, type InstalledApp } from './dependents.ts';

/** What a device offers a package; plain data. */
export interface Device {
  /** Names that `Architecture` may have, besides `all`, `any` and `noarch`. */
  readonly architectures: readonly string[];
  /** Services that the operator declares (`platform.d`). */
  readonly platform: readonly Provided[];
  readonly apps: readonly InstalledApp[];
}

/** An unpacked package that may be installed here. */
export interface Candidate {
  readonly report: PackageReport;
  readonly settings: LaunchSettings;
  readonly withheld: readonly WithheldField[];
  readonly image: ImageRow;
}

/**
 * Judges an unpacked package: a bundle, for this architecture, with all it depends on and all that others have of it.
 * @throws BerthError `bad_package`, `architecture`, `dependency`
 */
export function judge(report: PackageReport, device: Device, now: number): Candidate {
  const { control } = report;
  const app = control.package;
  if (!isArchitectureAccepted(control.architecture, device.architectures)) {
    throw new BerthError('architecture', `${app} is for ${control.architecture}; this device takes ${device.architectures.join(', ')} and all`);
  }
  if (report.config === undefined || !report.hasRootfs) {
    const lacking = report.config === undefined ? 'config.json' : 'rootfs/';
    throw new BerthError('bad_package', `${app} holds no OCI bundle: ${lacking} is missing at the root of its data`);
  }
  const launch = readLaunch(report.config);
  requireDependencies(app, control.depends, [...device.platform, ...device.apps]);
  requireImports(app, launch.settings, report, device);
  requireAllKept({ name: app, version: control.version, depends: control.depends, ...exchangeOf(app, launch.settings) }, device.platform, device.apps);
  return {
    report,
    settings: launch.settings,
    withheld: withheldOf(launch, app),
    image: {
      digest: report.digest,
      package: app,
      version: control.version,
      architecture: control.architecture,
      depends: control.fields.get('Depends') ?? '',
      description: control.description,
      bytes: report.unpackedBytes,
      entries: report.entries,
      signed: report.signatureBytes !== undefined,
      addedAt: now,
    },
  };
}

/** What an app exports and imports, as `<app>/<name>`. */
export function exchangeOf(app: string, { exports, imports }: Pick<LaunchSettings, 'exports' | 'imports'>): Pick<InstalledApp, 'exports' | 'imports'> {
  return { exports: exports.map((name) => `${app}/${name}`), imports };
}

/** Both sides consent to an exchange: the one exports, the other imports and names it in `Depends`. */
function requireImports(app: string, settings: LaunchSettings, { control }: PackageReport, device: Device): void {
  const dependsOn = new Set(control.depends.flatMap((dependency) => dependency.map((alternative) => alternative.name)));
  const exported = new Set(device.apps.flatMap((other) => other.exports));
  for (const wanted of settings.imports) {
    const provider = wanted.split('/')[0]!;
    if (!dependsOn.has(provider)) throw new BerthError('bad_package', `${app} imports ${wanted} but does not name ${provider} in Depends`);
    if (!exported.has(wanted)) throw new BerthError('dependency', `${app} imports ${wanted}, which the installed ${provider} does not export`);
  }
}
