import { isArchitectureAccepted, parseDepends, type LaunchSettings, type PackageReport, type PayloadPackage } from '../image/index.ts';
import type { Digest } from '../lib/digest.ts';
import { BerthError } from '../lib/errors.ts';
import { foresee, readLaunch, startOrder, type Ruling } from '../lifecycle/index.ts';
import { requireGranted, type Decision } from '../policy/index.ts';
import type { ImageRow } from '../store/index.ts';
import type { Recall } from '../trust/index.ts';
import { requireDependencies, type Provided } from './dependencies.ts';
import { isShared, requireAllKept, type InstalledApp } from './dependents.ts';
import { requireFloor } from './floors.ts';
import { requireOneAuthority, requireOwner, type Ownership } from './ownership.ts';
import { requireNotRecalled } from './recalled.ts';

/** What a device offers a package; plain data. */
export interface Device {
  /** Names that `Architecture` may have, besides `all`, `any` and `noarch`. */
  readonly architectures: readonly string[];
  /** Services that the operator declares (`platform.d`). */
  readonly platform: readonly Provided[];
  readonly apps: readonly InstalledApp[];
  /** Versions below which apps are not taken. */
  readonly floors: ReadonlyMap<string, string>;
  readonly ownership: Ownership;
  /** Candidates that were recalled, by digest. */
  readonly recalls: ReadonlyMap<Digest, Recall>;
}

/** What is let pass in a judgement. */
export interface Leniency {
  readonly allowDowngrade: boolean;
  /** Packages of several authorities in one payload. */
  readonly allowMix: boolean;
  /** A person goes back to an image that ran here: whose the app is does not matter. */
  readonly wayBack: boolean;
}

/** A version of an app that may be put on the device: unpacked, or there already. */
export interface Candidate {
  readonly image: ImageRow;
  readonly settings: LaunchSettings;
  readonly degraded: readonly Decision[];
  readonly warnings: readonly string[];
  /** Where it was unpacked; undefined for an image that is in the store, or in a dry run. */
  readonly staged?: string;
}

/** What a package meets when it arrives. */
export interface Reception {
  readonly architectures: readonly string[];
  /** What the operator says about an image. @throws BerthError if nobody knows */
  readonly rule: (image: ImageRow) => Ruling;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * An unpacked package as a candidate.
 * @throws BerthError `bad_package`, `architecture`; `denied` if it asks for what it is not granted
 */
export function candidateOf({ directory, report }: PayloadPackage, { architectures, rule, now }: Reception): Candidate {
  const { control } = report;
  const app = control.package;
  if (!isArchitectureAccepted(control.architecture, architectures)) {
    throw new BerthError('architecture', `${app} is for ${control.architecture}; this device takes ${architectures.join(', ')} and all`);
  }
  if (report.config === undefined || !report.hasRootfs) {
    const lacking = report.config === undefined ? 'config.json' : 'rootfs/';
    throw new BerthError('bad_package', `${app} holds no OCI bundle: ${lacking} is missing at the root of its data`);
  }
  const launch = readLaunch(report.config);
  const image = imageRow(report, now);
  const ruling = rule(image);
  const { decisions } = foresee(launch, app, ruling);
  requireGranted(app, decisions, ruling.entitlement.origin);
  return {
    settings: launch.settings,
    degraded: decisions.filter(({ verdict }) => verdict === 'degraded'),
    warnings: report.warnings,
    ...(directory === undefined ? {} : { staged: directory }),
    image,
  };
}

function imageRow(report: PackageReport, now: number): ImageRow {
  const { control } = report;
  return {
    digest: report.digest,
    package: control.package,
    version: control.version,
    architecture: control.architecture,
    depends: control.fields.get('Depends') ?? '',
    description: control.description,
    bytes: report.unpackedBytes,
    entries: report.entries,
    signed: report.vouched?.authority !== undefined,
    ...(report.vouched?.authority === undefined ? {} : { authority: report.vouched.authority }),
    signers: report.vouched?.signers ?? [],
    addedAt: now,
  };
}

/**
 * Judges candidates together: each comes from whom its app belongs to and is not recalled; with all of them on the device, each has what it depends on, every other app keeps what it
 * has, none is older than it may be, and there is an order to start them in.
 * @throws BerthError `bad_package`, `untrusted`, `conflict`, `dependency`, `downgrade`
 */
export function judge(candidates: readonly Candidate[], device: Device, { allowDowngrade, allowMix, wayBack }: Leniency): void {
  const fresh = candidates.map(installedApp);
  const names = new Set(fresh.map((app) => app.name));
  const twice = fresh.find(({ name }, index) => fresh.findIndex((other) => other.name === name) < index);
  if (twice !== undefined) throw new BerthError('bad_package', `the payload holds two packages of the name ${twice.name}`);
  if (!allowMix) requireOneAuthority(candidates.map(({ image }) => image));
  for (const { image } of candidates) {
    if (!wayBack) requireOwner(image, device.ownership);
    requireNotRecalled(image, device.recalls.get(image.digest));
  }
  const after = [...device.apps.filter((app) => !names.has(app.name)), ...fresh];
  for (const app of fresh) {
    requireDependencies(app.name, app.depends, [...device.platform, ...after]);
    requireImports(app, after);
    requireVolumes(app, after);
    requireOwnPorts(app, after);
    requireNoCycle(app.name, after.map((other) => ({ name: other.name, after: other.startsAfter })));
  }
  requireAllKept(fresh, device.platform, device.apps);
  if (!allowDowngrade) for (const app of fresh) requireFloor(app.name, app.version, device.floors.get(app.name));
}

function installedApp({ image, settings }: Candidate): InstalledApp {
  return describeApp(image, settings);
}

/** An app as the others see it. */
export function describeApp({ package: name, version, depends }: Pick<ImageRow, 'package' | 'version' | 'depends'>, settings: Pick<LaunchSettings, 'exports' | 'imports' | 'sharedVolumes' | 'volumes' | 'network' | 'startAfter'>): InstalledApp {
  const parsed = parseDepends(depends);
  return {
    name,
    version,
    depends: parsed,
    exports: settings.exports.map((exported) => `${name}/${exported}`),
    imports: settings.imports,
    sharedVolumes: settings.sharedVolumes.map(({ name: volume, app }) => (app === undefined ? { volume: `${name}/${volume}` } : { volume: `${name}/${volume}`, app })),
    usedVolumes: settings.volumes.map(({ owner, name: volume }) => `${owner}/${volume}`),
    ports: settings.network.ports,
    startsAfter: [...parsed.flatMap((dependency) => dependency.map((alternative) => alternative.name)), ...settings.startAfter],
  };
}

/** Both sides consent to an exchange: the one exports, the other imports and names it in `Depends`. */
function requireImports(app: InstalledApp, after: readonly InstalledApp[]): void {
  const dependsOn = new Set(app.depends.flatMap((dependency) => dependency.map((alternative) => alternative.name)));
  const exported = new Set(after.flatMap((other) => other.exports));
  for (const wanted of app.imports) {
    const provider = wanted.split('/')[0]!;
    if (!dependsOn.has(provider)) throw new BerthError('bad_package', `${app.name} imports ${wanted} but does not name ${provider} in Depends`);
    if (!exported.has(wanted)) throw new BerthError('dependency', `${app.name} imports ${wanted}, which the installed ${provider} does not export`);
  }
}

/** As with exports: the one shares, with everybody or with this app, the other uses and names it in `Depends`. */
function requireVolumes(app: InstalledApp, after: readonly InstalledApp[]): void {
  const dependsOn = new Set(app.depends.flatMap((dependency) => dependency.map((alternative) => alternative.name)));
  for (const wanted of app.usedVolumes) {
    const owner = wanted.split('/')[0]!;
    if (!dependsOn.has(owner)) throw new BerthError('bad_package', `${app.name} uses the volume ${wanted} but does not name ${owner} in Depends`);
    if (!isShared(wanted, app.name, after)) throw new BerthError('dependency', `${app.name} uses the volume ${wanted}, which the installed ${owner} does not share with it`);
  }
}

/** A port of the device leads to one app. What a policy withholds counts too: it may give it tomorrow. */
function requireOwnPorts(app: InstalledApp, after: readonly InstalledApp[]): void {
  for (const { hostPort, protocol } of app.ports) {
    const other = after.find(({ name, ports }) => name !== app.name && ports.some((port) => port.hostPort === hostPort && port.protocol === protocol));
    if (other !== undefined) throw new BerthError('conflict', `${app.name} publishes port ${hostPort}/${protocol} of this device, as ${other.name} does; build one of them with another (run.network.ports), or remove ${other.name}`);
  }
}

/** A cycle among apps that are there already is broken at boot; a payload does not bring another. */
function requireNoCycle(app: string, apps: Parameters<typeof startOrder>[0]): void {
  const cycle = startOrder(apps).warnings.find(({ members }) => members.includes(app));
  if (cycle === undefined) return;
  throw new BerthError('dependency', `there is no order to start these apps in, since each waits for the next: ${cycle.members.join(' → ')}. Take one of them out of the other's Depends or start-after`);
}
