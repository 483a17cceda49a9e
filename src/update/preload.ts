import { existsSync, readFileSync } from 'node:fs';
import { lstat, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { compareVersions, unpackPayload, verifyImage, voucher, type PackageLimits } from '../image/index.ts';
import type { Digest } from '../lib/digest.ts';
import { removeTree } from '../lib/durable.ts';
import { BerthError, isErrno } from '../lib/errors.ts';
import { run } from '../lib/process.ts';
import { readLaunch, type Ruling } from '../lifecycle/index.ts';
import { boundOf, describeDecision, entitle, type Decision, type PolicyRule } from '../policy/index.ts';
import { openStore, type ImageRow, type MemberRow, type WritableStore } from '../store/index.ts';
import type { TrustPolicy } from '../trust/index.ts';
import { candidateOf, describeApp, judge, type Candidate } from './candidate.ts';
import { makeDataDirectories, type Ask } from './data.ts';
import { dependenciesLeftOpen, type Provided } from './dependencies.ts';
import { floorAfter } from './floors.ts';
import type { Details } from './record.ts';
import type { VersionedImage } from './types.ts';

/** How far preloading is. */
export interface PreloadProgress {
  /** Which payload is read, counted from 0. */
  readonly payload: number;
  readonly phase: 'receiving' | 'storing';
  /** Bytes of the payload read so far. */
  readonly bytes: number;
}

export interface PreloadOptions {
  /** Directory of the store: one that is there is extended, else one is made. */
  readonly root: string;
  readonly payloads: readonly Readable[];
  /** Names of the files, for the record. */
  readonly origin: string;
  /** Whether apps that are new are to run at the first boot. */
  readonly start: boolean;
  /** What `Architecture` may be on the device, besides `all`, `any` and `noarch`. */
  readonly architectures: readonly string[];
  /** Services that the device declares; without, what apps need of it is only told. */
  readonly platform?: readonly Provided[];
  /** Rules of the device's policy; without, what apps ask for beyond the default rights is only told. */
  readonly rules?: readonly PolicyRule[];
  readonly limits: PackageLimits;
  /** Who may vouch for the packages. */
  readonly trust: TrustPolicy;
  /** Milliseconds since 1970 that stand in the store. */
  readonly now: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: PreloadProgress) => void;
}

export interface PreloadedApp {
  readonly app: string;
  readonly version: string;
  readonly digest: Digest;
  readonly replaced?: VersionedImage;
  readonly signed: boolean;
  /** The authority that vouches for it, to which the app belongs from now on; absent if it is unsigned. */
  readonly authority?: string;
  readonly entries: number;
  readonly bytes: number;
  /** Whether it runs at the first boot. */
  readonly start: boolean;
  readonly warnings: readonly string[];
  readonly degraded: readonly Decision[];
}

export interface PreloadReport {
  readonly root: string;
  readonly installed: readonly PreloadedApp[];
  /** What the device must see to. */
  readonly notes: readonly string[];
}

/**
 * Makes or extends a store on a build machine: its apps are installed and verified, and the first `berthd` that opens it
 * starts them. All payloads are judged together; all are taken, or the store stays as it was.
 * @throws BerthError as an install does; `conflict` if the directory holds something else or is in use; `denied` if the
 * files cannot be given to their owners
 */
export async function preload(options: PreloadOptions): Promise<PreloadReport> {
  const { root } = options;
  const before = await requireStoreOrNothing(root);
  try {
    return await extend(options);
  } catch (error) {
    if (before !== 'store') await clear(root, before);
    throw isDenied(error) ? new BerthError('denied', `files of the payload belong to users that you may not give files to: ${(error as Error).message}. Run this as root, or under fakeroot or pseudo together with what makes the flash image`, { cause: error }) : error;
  }
}

async function extend(options: PreloadOptions): Promise<PreloadReport> {
  const { root } = options;
  // A store that no device has opened has no id, and is to have none afterwards.
  const hadId = existsSync(join(root, 'store-id'));
  const store = openStore(root, {
    journal: (level, message) => {
      if (level === 'error') throw new BerthError('conflict', message);
    },
    now: options.now,
    waitMs: 0,
  });
  try {
    if (store.book.underWay().length > 0) throw new BerthError('conflict', `${root}: an update of this store is not over; let berthd finish it first`);
    await store.clearStaging();
    return await fill(store, options);
  } finally {
    if (hadId) store.close();
    else store.closeWithoutId();
  }
}

async function fill(store: WritableStore, options: PreloadOptions): Promise<PreloadReport> {
  await using staging = await store.stage();
  const trust = { ...options.trust, recalls: [...options.trust.recalls, ...store.trust.recalls()] };
  const { candidates, bytes } = await receive(store, staging.path, { ...options, trust });
  const notes = judgeFor(store, candidates, options);
  const members = candidates.map((candidate) => memberOf(store, candidate, options.start));
  const installed = candidates.map((candidate) => reportOf(store, candidate, options));
  options.onProgress?.({ payload: options.payloads.length - 1, phase: 'storing', bytes });
  await store.publishImages(candidates.map(({ image, staged }) => ({ directory: staged!, digest: image.digest })));
  // Node sees the true owners, not those that fakeroot(1) keeps in mind.
  const owners = process.geteuid?.() === 0 && (await lstat(staging.path)).uid === 0;
  for (const { image } of candidates) {
    const differences = await verifyImage(store.imagePaths(image.digest).directory, { digest: image.digest, owners, idBase: store.idRange(image.package) });
    if (differences.length > 0) throw new BerthError('io', `${image.package}: its image was not written well: ${differences.slice(0, 3).join('; ')}`);
  }
  for (const { app, image, generation } of members) {
    const { settings } = candidates.find((candidate) => candidate.image.package === app)!;
    await makeDataDirectories(store.dataPath(app, generation), store.idRange(app), settings.data, join(store.imagePaths(image).bundle, 'rootfs'), askStat);
  }
  record(store, candidates, members, bytes, options);
  await store.collect();
  return { root: options.root, installed, notes };
}

async function receive(store: WritableStore, staging: string, { payloads, limits, architectures, rules, trust, now, signal, onProgress }: PreloadOptions): Promise<{ readonly candidates: readonly Candidate[]; readonly bytes: number }> {
  const candidates: Candidate[] = [];
  let total = 0;
  for (const [payload, source] of payloads.entries()) {
    const target = join(staging, String(payload));
    await mkdir(target, { mode: 0o711 });
    let bytes = 0;
    async function* counted(): AsyncGenerator<Buffer, void, undefined> {
      for await (const chunk of source as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        onProgress?.({ payload, phase: 'receiving', bytes });
        yield chunk;
      }
    }
    const { packages } = await unpackPayload(counted(), target, { limits, chown: true, verify: voucher(trust), admit: async ({ name }) => Promise.resolve({ idBase: store.idRange(name) }), ...(signal === undefined ? {} : { signal }) });
    candidates.push(...packages.map((item) => candidateOf(item, { architectures, rule: (image) => ruleFor(image, rules, trust), now })));
    total += bytes;
  }
  return { candidates, bytes: total };
}

/** As the device would. */
function ruleFor({ package: app, signed, authority }: ImageRow, rules: readonly PolicyRule[] | undefined, { authorities, allowUnsigned }: TrustPolicy): Ruling {
  const entitlement = entitle({ rules: rules ?? [], allowUnsigned }, { app, signed, bound: boundOf(authority, authorities) });
  return { entitlement: rules === undefined ? { ...entitlement, degrade: true } : entitlement, declared: [] };
}

/** What the device's policy must grant, where it is not known here. */
function grantsLeftOpen({ image, degraded }: Candidate): readonly string[] {
  if (degraded.length === 0) return [];
  return [`${image.package} asks for more than the default rights, which the policy of the device must grant: ${degraded.map(describeDecision).join('; ')}. --policy checks that`];
}

/** Judges as the device would. Gives what only the device can tell, where its platform is not known. */
function judgeFor(store: WritableStore, candidates: readonly Candidate[], { root, platform, rules, architectures, trust }: PreloadOptions): readonly string[] {
  const apps = store.apps().map((row) => {
    const { settings } = readLaunch(readFileSync(join(store.imagePaths(row.image).bundle, 'config.json'), 'utf8'));
    return describeApp(store.image(row.image)!, settings);
  });
  for (const { image: { package: name, version } } of candidates) {
    const floor = store.book.floor(name);
    if (floor !== undefined && compareVersions(version, floor) < 0) throw new BerthError('downgrade', `${name} ${version} is older than ${floor}, which ${root} holds; preload it into a new store`);
  }
  const provided = [...apps, ...candidates.map(({ image }) => ({ name: image.package, version: image.version }))];
  const open = candidates.map((candidate) => dependenciesLeftOpen(candidate.image.depends, platform === undefined ? provided : undefined));
  const judged = candidates.map((candidate, index): Candidate => ({ ...candidate, image: { ...candidate.image, depends: open[index]!.others } }));
  const ownership = { owners: store.trust.owners(), authorities: trust.authorities };
  // What the maker of a device puts together is to be there together.
  judge(judged, { architectures, platform: platform ?? [], apps, floors: new Map(), ownership, recalls: new Map() }, { allowDowngrade: true, allowMix: true, wayBack: false });
  for (const { image: { package: name }, settings } of candidates) {
    if (settings.migrate.length > 0 && store.app(name) !== undefined) {
      throw new BerthError('unsupported', `${name} has a command that migrates its data, which only a device can run; preload it into a new store`);
    }
  }
  return candidates.flatMap((candidate, index) => [
    ...(open[index]!.wanted === '' ? [] : [`${candidate.image.package} needs ${open[index]!.wanted} of the device; --platform checks that`]),
    ...(rules === undefined ? grantsLeftOpen(candidate) : []),
  ]);
}

function memberOf(store: WritableStore, { image }: Candidate, start: boolean): MemberRow {
  const row = store.app(image.package);
  const oldGeneration = row?.dataGeneration ?? store.keptData(image.package) ?? null;
  return {
    app: image.package,
    update: 0,
    image: image.digest,
    generation: oldGeneration ?? 1,
    desired: start ? 'running' : 'stopped',
    oldImage: row?.image ?? null,
    oldGeneration,
    oldInstalledAt: row?.installedAt ?? null,
    floor: floorAfter(image.version, store.book.floor(image.package), false),
    owner: image.authority ?? null,
    trial: null,
  };
}

function reportOf(store: WritableStore, { image, warnings, degraded }: Candidate, { start, rules }: PreloadOptions): PreloadedApp {
  const row = store.app(image.package);
  const before = row === undefined ? undefined : store.image(row.image);
  return {
    app: image.package,
    version: image.version,
    digest: image.digest,
    ...(before === undefined ? {} : { replaced: { version: before.version, digest: before.digest } }),
    signed: image.signed,
    ...(image.authority === undefined ? {} : { authority: image.authority }),
    entries: image.entries,
    bytes: image.bytes,
    start: row === undefined ? start : row.desired === 'running',
    warnings,
    degraded: rules === undefined ? [] : degraded,
  };
}

/** Names it all in the database as an update that is over: there is nothing to try here, and nothing to go back to. */
function record(store: WritableStore, candidates: readonly Candidate[], members: readonly MemberRow[], bytes: number, { now, origin }: PreloadOptions): void {
  const details: Details = {
    phases: [{ phase: 'receiving', at: now }, { phase: 'storing', at: now }],
    bytes,
    apps: candidates.map(({ image }) => ({ app: image.package, to: { version: image.version, digest: image.digest } })),
  };
  const text = JSON.stringify(details);
  const id = store.book.begin({ source: 'factory', origin, startedAt: now, details: text });
  store.book.nameMembers(id, candidates.map(({ image }) => image), members, { details: text });
  store.trust.noteTime(now);
  store.book.switchOver(id, now, { end: { outcome: 'committed', endedAt: now, details: text }, keep: 0 });
}

/** Whose a file is as the programs of the machine see it, also under fakeroot(1). */
const askStat: Ask = async (path) => {
  const { code, stdout } = await run('stat', ['-c', '%u %g %f', '--', path]);
  if (code !== 0) return undefined;
  const [uid, gid, mode] = stdout.trim().split(' ');
  return { uid: Number(uid), gid: Number(gid), mode: Number.parseInt(mode!, 16) };
};

/** What is at `root` beforehand. @throws BerthError `conflict` if the directory holds something else than a store */
async function requireStoreOrNothing(root: string): Promise<'store' | 'directory' | 'nothing'> {
  if (existsSync(join(root, 'berth.db'))) return 'store';
  if (!existsSync(root)) return 'nothing';
  const others = (await readdir(root)).filter(isForeign);
  if (others.length > 0) throw new BerthError('conflict', `${root} is not empty, and is no store (it has no berth.db): "${others[0]}"; give it a directory of its own`);
  return 'directory';
}

/** What a new file system holds by itself does not count. */
function isForeign(name: string): boolean {
  return name !== 'lost+found';
}

/** Nothing of a store that could not be made is left. */
async function clear(root: string, before: 'directory' | 'nothing'): Promise<void> {
  if (before === 'nothing') return removeTree(root);
  for (const name of (await readdir(root)).filter(isForeign)) await removeTree(join(root, name));
}

/** The kernel did not let files be given away. */
function isDenied(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return isErrno(error, 'EPERM') || isDenied(error.cause);
}
