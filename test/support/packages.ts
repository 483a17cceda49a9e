/**
 * Packages as others make them: with tar, ar, gzip and xz, in the shape that opkg-build gives, holding an OCI bundle.
 */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../src/lib/process.ts';
import { copyPrograms, copyPythonModules } from './programs.ts';
import { makeRootfs } from './rootfs.ts';

export interface PackageOptions {
  readonly name: string;
  readonly version?: string;
  readonly architecture?: string;
  /** More control fields, or ones that replace the usual; undefined leaves a field out. */
  readonly control?: Readonly<Record<string, string | undefined>>;
  /** Script that the app runs with `/bin/sh -c`. */
  readonly script?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Replaces the bundle's `config.json` as it stands. */
  readonly config?: string;
  /** Changes to the OCI config. */
  readonly oci?: Readonly<Record<string, unknown>>;
  /** Maintainer scripts by name. */
  readonly scripts?: Readonly<Record<string, string>>;
  /** More files in the root file system, by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Permission bits of such files, by path. */
  readonly modes?: Readonly<Record<string, number>>;
  /** Programs of this machine that are there, too, by their paths. */
  readonly programs?: readonly string[];
  /** Modules of this machine's Python that are there with all that they import. */
  readonly pythonModules?: readonly string[];
  readonly outer?: 'ar' | 'tar.gz';
  readonly compression?: 'gz' | 'xz' | 'zst';
}

/** The OCI config of an app as `runc spec` and Mbed Linux OS have it. */
export function ociConfig(options: Pick<PackageOptions, 'script' | 'annotations' | 'oci'>): Record<string, unknown> {
  const capabilities = ['CAP_AUDIT_WRITE', 'CAP_KILL', 'CAP_NET_BIND_SERVICE'];
  return {
    ociVersion: '1.0.0',
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args: ['/bin/sh', '-c', options.script ?? 'sleep 1000'],
      env: ['PATH=/bin'],
      cwd: '/',
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      noNewPrivileges: true,
    },
    root: { path: 'rootfs', readonly: true },
    hostname: 'app',
    mounts: [{ destination: '/proc', type: 'proc', source: 'proc' }],
    linux: { namespaces: [{ type: 'pid' }, { type: 'network' }, { type: 'ipc' }, { type: 'uts' }, { type: 'mount' }] },
    annotations: Object.fromEntries(Object.entries(options.annotations ?? {}).map(([name, value]) => [`org.berth.${name}`, value])),
    ...options.oci,
  };
}

/** Makes a package in `directory` and gives its path. */
export async function makePackage(directory: string, options: PackageOptions): Promise<string> {
  const { name, version = '1.0', architecture = 'all', outer = 'ar', compression = 'gz' } = options;
  const work = join(directory, `work-${name}-${version}`);
  const data = join(work, 'data');
  const control = join(work, 'control');
  mkdirSync(join(data, 'rootfs'), { recursive: true });
  mkdirSync(control);
  await makeRootfs(join(data, 'rootfs'));
  for (const [path, text] of Object.entries(options.files ?? {})) {
    mkdirSync(join(data, 'rootfs', path, '..'), { recursive: true });
    writeFileSync(join(data, 'rootfs', path), text);
  }
  await copyPrograms(join(data, 'rootfs'), options.programs ?? []);
  await copyPythonModules(join(data, 'rootfs'), options.pythonModules ?? []);
  for (const [path, mode] of Object.entries(options.modes ?? {})) chmodSync(join(data, 'rootfs', path), mode);
  writeFileSync(join(data, 'config.json'), options.config ?? JSON.stringify(ociConfig(options)));
  const fields = { Package: name, Version: version, Architecture: architecture, Maintainer: 'nobody', Description: `${name} for a test`, ...options.control };
  const stanza = Object.entries(fields).filter(([, value]) => value !== undefined).map(([field, value]) => `${field}: ${value}\n`).join('');
  writeFileSync(join(control, 'control'), stanza);
  for (const [script, text] of Object.entries(options.scripts ?? {})) {
    writeFileSync(join(control, script), text);
    chmodSync(join(control, script), 0o755);
  }
  writeFileSync(join(work, 'debian-binary'), '2.0\n');
  const program = { gz: 'gzip', xz: 'xz', zst: 'zstd' }[compression];
  const tar = ['--format=gnu', '--owner=root', '--group=root', '--sort=name'];
  await must('tar', ['-C', control, ...tar, '-czf', join(work, 'control.tar.gz'), '.']);
  await must('tar', ['-C', data, ...tar, `--use-compress-program=${program}`, '-cf', join(work, `data.tar.${compression}`), '.']);
  const path = join(directory, `${name}_${version}.ipk`);
  const members = ['debian-binary', 'control.tar.gz', `data.tar.${compression}`];
  rmSync(path, { force: true });
  if (outer === 'ar') await must('ar', ['rc', path, ...members.map((member) => join(work, member))]);
  else await must('tar', ['-C', work, '-czf', path, ...members.map((member) => `./${member}`)]);
  rmSync(work, { recursive: true });
  return path;
}

async function must(command: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}
