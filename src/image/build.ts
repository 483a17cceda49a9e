import { lstat, readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { BerthError, isErrno } from '../lib/errors.ts';
import { hostArchitectures } from './architecture.ts';
import { bundleConfig, type Launch, launchOf } from './bundle-config.ts';
import { neededPaths } from './config.ts';
import { plainContent } from './content.ts';
import { formatControl, parseControl } from './control.ts';
import type { PackOptions } from './data-writer.ts';
import { addFiles } from './file-list.ts';
import { addFolder, folderTime, type FolderOptions, impliedTime, type TimeRule } from './folder.ts';
import { addLayer } from './layers.ts';
import { defaultLimits } from './limits.ts';
import { missingDirectories } from './mount-points.ts';
import { Notes } from './notes.ts';
import { packTree, type WrittenPackage } from './package-writer.ts';
import type { Recipe } from './recipe-schema.ts';
import { parseRecipe } from './recipe.ts';
import { Spool } from './spool.ts';
import { FileTree } from './tree.ts';
import type { Control } from './types.ts';
import { makeWorkspace } from './workspace.ts';

export interface BuildOptions extends PackOptions {
  /** Seconds since 1970; default: the environment's `SOURCE_DATE_EPOCH`. */
  readonly sourceDateEpoch?: number;
}

/** What `berth build` or `berth import` made. */
export interface BuildReport extends WrittenPackage {
  /** Path of the package. */
  readonly output: string;
  readonly control: Control;
  /** What was left out or is odd, one sentence each. */
  readonly warnings: readonly string[];
}

const recipeName = 'berth.yaml';
const controlFolder = 'CONTROL';
export const rootMeta = { mode: 0o755, uid: 0, gid: 0 } as const;
/** Scripts that opkg would run on the host as root. */
const maintainerScripts = ['preinst', 'postinst', 'prerm', 'postrm'];

/**
 * Builds a package from a folder that holds either a `berth.yaml`, or an OCI bundle (`config.json`, `rootfs/`) and
 * `CONTROL/control` as opkg-build takes it. The same input gives the same bytes.
 * @throws BerthError `bad_package` naming file, line and field; nothing is left behind.
 */
export async function buildPackage(folder: string, output: string, options: BuildOptions = {}): Promise<BuildReport> {
  const hasRecipe = await exists(join(folder, recipeName));
  const hasControl = await exists(join(folder, controlFolder, 'control'));
  if (hasRecipe && hasControl) throw new BerthError('bad_package', `${folder}: there is both ${recipeName} and ${controlFolder}/control; remove one`);
  if (hasRecipe) return buildRecipe(folder, output, options);
  if (hasControl) return buildBundle(folder, output, options);
  throw new BerthError('not_found', `${folder}: there is neither ${recipeName} nor ${controlFolder}/control beside an OCI bundle; docs/package.md says how to write one`);
}

async function buildRecipe(folder: string, output: string, options: BuildOptions): Promise<BuildReport> {
  const path = join(folder, recipeName);
  const recipe = parseRecipe(await readFile(path, 'utf8'), path);
  const control = parseControl(Buffer.from(formatControl(controlFields(recipe))));
  const launch = launchOf(recipe);
  const notes = new Notes();
  const rule = timeRule(options);
  await using work = await makeWorkspace(output);
  using spool = new Spool(work.path('spool'), defaultLimits.unpackedBytes);
  const input = { ...rule, notes, ...pick(options) };
  const rootfs = new FileTree({ ...rootMeta, mtime: impliedTime(rule) });
  if (recipe.rootfs !== undefined) await addRootfs(rootfs, resolve(folder, recipe.rootfs), spool, input);
  await addFiles(rootfs, folder, recipe.files, input);
  return await packApp({ rootfs, launch, control, output, notes, rule, options });
}

/** What `packApp` makes a package of. */
export interface AppInput {
  readonly rootfs: FileTree;
  readonly launch: Launch;
  readonly control: Control;
  readonly output: string;
  readonly notes: Notes;
  readonly rule: TimeRule;
  readonly options: PackOptions;
}

/** Packs a root file system and its launch information. */
export async function packApp({ rootfs, launch, control, output, notes, rule, options }: AppInput): Promise<BuildReport> {
  const config = bundleConfig(launch);
  checkBundle(config, (path) => rootfs.get(path)?.type);
  const mtime = impliedTime(rule);
  // Unpacking makes the directories for standard mounts and data, but a read-only root takes no others later.
  for (const point of Object.keys(launch.tmpfs)) {
    const path = rootfs.resolve(point);
    if (rootfs.get(path) === undefined) rootfs.directory(path, { ...rootMeta, mtime });
  }
  const tree = new FileTree({ ...rootMeta, mtime });
  tree.put('config.json', { ...rootMeta, mode: 0o644, mtime, type: 'file', content: { kind: 'bytes', bytes: Buffer.from(config) } });
  tree.graft('rootfs', rootfs);
  return pack(tree, control, output, notes, options);
}

async function buildBundle(folder: string, output: string, options: BuildOptions): Promise<BuildReport> {
  const notes = new Notes();
  const oddities: string[] = [];
  const control = parseControl(await readFile(join(folder, controlFolder, 'control')), (message) => oddities.push(message));
  for (const name of maintainerScripts) {
    if (await exists(join(folder, controlFolder, name))) notes.add('maintainer scripts were left out, since Berth never runs them', name);
  }
  const rule = timeRule(options);
  const tree = new FileTree({ ...rootMeta, mtime: impliedTime(rule) });
  await addFolder(tree, folder, '', { ...rule, notes, except: [controlFolder], ...pick(options) });
  if (tree.get('rootfs')?.type !== 'dir') throw new BerthError('bad_package', `${folder}: there is no folder rootfs`);
  if (tree.get('config.json')?.type !== 'file') throw new BerthError('bad_package', `${folder}: there is no file config.json`);
  checkBundle(await readFile(join(folder, 'config.json'), 'utf8'), (path) => tree.get(`rootfs/${path}`)?.type);
  const report = await pack(tree, control, output, notes, options);
  return { ...report, warnings: [...oddities, ...report.warnings] };
}

async function pack(tree: FileTree, control: Control, output: string, notes: Notes, options: PackOptions): Promise<BuildReport> {
  const written = await packTree(tree, control, output, options);
  return { ...written, output, control, warnings: [...notes.lines(), ...limitWarnings(written)] };
}

/** What a device with default limits would refuse. */
function limitWarnings({ bytes, entries, unpackedBytes }: WrittenPackage): readonly string[] {
  const beyond = (what: string, value: number, limit: number): readonly string[] =>
    value > limit ? [`${what} is ${value}; devices refuse more than ${limit} unless configured otherwise`] : [];
  return [
    ...beyond('the size of the package in bytes', bytes, defaultLimits.packageBytes),
    ...beyond('the sum of its files in bytes', unpackedBytes, defaultLimits.unpackedBytes),
    ...beyond('the number of its entries', entries, defaultLimits.entries),
  ];
}

/** Refuses what an installation would refuse. */
function checkBundle(config: string, kindAt: (path: string) => 'dir' | 'file' | 'symlink' | undefined): void {
  if (Buffer.byteLength(config) > defaultLimits.configBytes) throw new BerthError('too_large', `config.json: more than ${defaultLimits.configBytes} bytes`);
  missingDirectories(neededPaths(config), kindAt);
}

function controlFields({ name, version, architecture, maintainer, depends, description }: Recipe): readonly (readonly [string, string])[] {
  const optional = (field: string, value: string | undefined): readonly (readonly [string, string])[] => (value === undefined || value === '' ? [] : [[field, value]]);
  return [
    ['Package', name],
    ['Version', version],
    ['Architecture', architecture ?? hostArchitectures()[0]!],
    ...optional('Maintainer', maintainer),
    ...optional('Depends', depends.join(', ')),
    ['Description', foldDescription(description ?? name)],
  ];
}

/** The synopsis, then the other lines with the space that continues a field; an empty line is a dot (deb-control(5)). */
export function foldDescription(text: string): string {
  const [synopsis, ...rest] = text.trim().split('\n');
  return [synopsis, ...rest.map((line) => ` ${line.trim() === '' ? '.' : line.trimEnd()}`)].join('\n');
}

async function addRootfs(tree: FileTree, path: string, spool: Spool, options: FolderOptions): Promise<void> {
  const stats = await stat(path).catch((error: unknown) => {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) throw new BerthError('not_found', `berth.yaml: rootfs: there is nothing at ${path}`, { cause: error });
    throw error;
  });
  if (stats.isDirectory()) {
    tree.directory('', { ...rootMeta, mode: stats.mode & 0o1777, mtime: folderTime(stats.mtimeMs, options) });
    await addFolder(tree, path, '', options);
  } else if (stats.isFile()) {
    const content = { kind: 'span', file: path, offset: 0, size: stats.size } as const;
    await addLayer(tree, plainContent(content, path), { ...options, spool, what: path, whiteouts: false });
  } else {
    throw new BerthError('bad_package', `berth.yaml: rootfs: ${path} is neither a folder nor a tar archive`);
  }
}

/** @throws BerthError `usage` if the environment's `SOURCE_DATE_EPOCH` is not a number of seconds. */
export function timeRule(options: BuildOptions): TimeRule {
  const text = options.sourceDateEpoch ?? process.env['SOURCE_DATE_EPOCH'];
  if (text === undefined || text === '') return {};
  if (!/^\d{1,11}$/.test(String(text))) throw new BerthError('usage', `SOURCE_DATE_EPOCH: "${text}" is not a number of seconds since 1970`);
  return { sourceDateEpoch: Number(text) };
}

function pick(options: BuildOptions): { readonly signal?: AbortSignal } {
  return options.signal === undefined ? {} : { signal: options.signal };
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}
