/**
 * Builds `dist/berth_<version>_<arch>.deb` from the bundles: `npm run deb`. Debian has no Node that is new enough, so
 * the package brings the one it was built with. Same commit, same bytes.
 */
import { chmod, copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { BerthError } from '../src/lib/errors.ts';
import { run } from '../src/lib/process.ts';
import { formatSize } from '../src/lib/units.ts';
import { buildBundles } from './build.ts';

const checkout = join(import.meta.dirname, '..');
const dist = join(checkout, 'dist');
const nodeLicense = `node_modules/node/node_modules/node-linux-${process.arch}/LICENSE`;

/** What goes where: path in the checkout, path in the package, mode. */
const files: readonly (readonly [from: string, to: string, mode: number])[] = [
  ['dist/berth.cjs', 'usr/lib/berth/berth.cjs', 0o644],
  ['dist/berthd.cjs', 'usr/lib/berth/berthd.cjs', 0o644],
  ['dist/berthd-unpack.cjs', 'usr/lib/berth/berthd-unpack.cjs', 0o644],
  ['dist/berthd-relay.cjs', 'usr/lib/berth/berthd-relay.cjs', 0o644],
  ['node_modules/node/bin/node', 'usr/lib/berth/node', 0o755],
  ['packaging/deb/berth', 'usr/bin/berth', 0o755],
  ['packaging/deb/berthd', 'usr/sbin/berthd', 0o755],
  ['packaging/systemd/berthd.service', 'usr/lib/systemd/system/berthd.service', 0o644],
  ['packaging/systemd/berth-apps.service', 'usr/lib/systemd/system/berth-apps.service', 0o644],
  ['packaging/systemd/tmpfiles.conf', 'usr/lib/tmpfiles.d/berth.conf', 0o644],
  ['packaging/systemd/sysusers.conf', 'usr/lib/sysusers.d/berth.conf', 0o644],
  ['packaging/etc/berthd.yaml', 'etc/berth/berthd.yaml', 0o644],
  ['packaging/etc/devices.d/example.yaml.sample', 'etc/berth/devices.d/example.yaml.sample', 0o644],
  ['packaging/etc/policy.d/example.yaml.sample', 'etc/berth/policy.d/example.yaml.sample', 0o644],
  ['packaging/policy.d/mbl-compat.yaml', 'usr/share/berth/policy.d/mbl-compat.yaml', 0o644],
  ['packaging/etc/platform.d/example.yaml.sample', 'etc/berth/platform.d/example.yaml.sample', 0o644],
  ['packaging/deb/copyright', 'usr/share/doc/berth/copyright', 0o644],
  [nodeLicense, 'usr/share/doc/berth/LICENSE.node', 0o644],
  ['dbus/org.berth.App1.xml', 'usr/share/dbus-1/interfaces/org.berth.App1.xml', 0o644],
  ...['operations', 'package', 'updates', 'factory', 'supervision', 'app-bus', 'networks', 'bus-names', 'storage', 'rights'].map((page) => [`docs/${page}.md`, `usr/share/doc/berth/${page}.md`, 0o644] as const),
];
const scripts = ['postinst', 'prerm', 'postrm'];
const conffiles = files.map(([, to]) => to).filter((path) => path.startsWith('etc/'));
/** Where each shell looks for completions. */
const completions: Readonly<Record<string, string>> = {
  bash: 'usr/share/bash-completion/completions/berth',
  zsh: 'usr/share/zsh/vendor-completions/_berth',
  fish: 'usr/share/fish/vendor_completions.d/berth.fish',
};
const manualPages = ['berth.1', 'berthd.8'];
/** Names of architectures as Debian has them. */
const debianArchitectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

export interface DebOptions {
  /** Where the package is put; `dist` by default. */
  readonly output?: string;
  /** `fast` is for tests: bigger, in a tenth of the time. */
  readonly compression?: 'small' | 'fast';
}

/** Builds the package from the bundles in `dist` and gives its path. */
export async function buildDeb({ output = dist, compression = 'small' }: DebOptions = {}): Promise<string> {
  const architecture = debianArchitectures[process.arch];
  if (architecture === undefined) throw new BerthError('architecture', `Debian packages are built on x64 and arm64, not on ${process.arch}`);
  const { version } = JSON.parse(await readFile(join(checkout, 'package.json'), 'utf8')) as { version: string };
  const builtAt = await sourceDate();
  await mkdir(output, { recursive: true });
  const stage = await mkdtemp(join(output, 'deb-'));
  try {
    await chmod(stage, 0o755);
    for (const [from, to, mode] of files) await install(join(checkout, from), join(stage, to), mode);
    // A third of Node is its symbol table, which nothing on a device reads.
    await succeed('strip', ['--strip-unneeded', join(stage, 'usr/lib/berth/node')]);
    for (const [shell, path] of Object.entries(completions)) {
      await writeFileIn(stage, path, await succeed(process.execPath, [join(dist, 'berth.cjs'), 'completion', shell]));
    }
    for (const page of manualPages) {
      const text = await readFile(join(dist, 'man', page));
      await writeFileIn(stage, `usr/share/man/man${page.slice(-1)}/${page}.gz`, gzipSync(text, { level: 9 }));
    }
    await writeFileIn(stage, 'usr/share/doc/berth/changelog.gz', gzipSync(changelog(version, builtAt), { level: 9 }));
    const bytes = await sizeOf(stage);
    await writeFileIn(stage, 'DEBIAN/control', control({ version, architecture, installedKiB: Math.ceil(bytes / 1024) }));
    await writeFileIn(stage, 'DEBIAN/conffiles', conffiles.map((path) => `/${path}\n`).join(''));
    for (const name of scripts) await install(join(checkout, 'packaging/deb', name), join(stage, 'DEBIAN', name), 0o755);
    const deb = join(output, `berth_${version}_${architecture}.deb`);
    const level = compression === 'fast' ? ['-Zgzip', '-z1'] : ['-Zxz', '-z6'];
    // The result of threaded xz depends on their number; times after SOURCE_DATE_EPOCH are set back to it.
    await succeed('dpkg-deb', ['--root-owner-group', '--threads-max=1', ...level, '--build', stage, deb], {
      ...process.env,
      SOURCE_DATE_EPOCH: String(builtAt),
    });
    return deb;
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

function control({ version, architecture, installedKiB }: { version: string; architecture: string; installedKiB: number }): string {
  return `Package: berth
Version: ${version}
Architecture: ${architecture}
Maintainer: Berth <berth@example.org>
Section: admin
Priority: optional
Installed-Size: ${installedKiB}
Depends: conmon, runc | crun, xz-utils, libc6 (>= 2.28), libstdc++6, libatomic1, passwd
Recommends: containernetworking-plugins, nftables, iproute2, xdg-dbus-proxy, acl
Description: applications in containers on embedded devices
 berthd supervises packaged applications, each in a container of its own with
 a bounded set of rights; berth is the tool for people. The package brings the
 Node.js that runs them, which is most of its size.
`;
}

function changelog(version: string, builtAt: number): string {
  const date = new Date(builtAt * 1000).toUTCString().replace('GMT', '+0000');
  return `berth (${version}) unstable; urgency=medium\n\n  * See the history of the project.\n\n -- Berth <berth@example.org>  ${date}\n`;
}

/** Seconds since 1970 of the last commit, or as the environment says (reproducible-builds.org). */
async function sourceDate(): Promise<number> {
  const given = process.env['SOURCE_DATE_EPOCH'];
  return Number(given ?? (await succeed('git', ['-C', checkout, 'log', '-1', '--format=%ct'])).trim());
}

async function install(from: string, to: string, mode: number): Promise<void> {
  await makeParents(to);
  await copyFile(from, to);
  await chmod(to, mode);
}

async function writeFileIn(stage: string, path: string, contents: string | Uint8Array): Promise<void> {
  await makeParents(join(stage, path));
  await writeFile(join(stage, path), contents);
  await chmod(join(stage, path), 0o644);
}

/** Directories of a package are open to all, whatever the umask here is. */
async function makeParents(path: string): Promise<void> {
  const first = await mkdir(dirname(path), { recursive: true });
  if (first === undefined) return;
  for (let made = dirname(path); made.length >= first.length; made = dirname(made)) await chmod(made, 0o755);
}

async function sizeOf(directory: string): Promise<number> {
  const names = await readdir(directory, { recursive: true });
  const entries = await Promise.all(names.map((name) => stat(join(directory, name))));
  return entries.filter((entry) => entry.isFile()).reduce((sum, entry) => sum + entry.size, 0);
}

async function succeed(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, { env });
  if (code !== 0) throw new BerthError('io', `${command} ${args.join(' ')}: ${stderr.trim()}`);
  return stdout;
}

if (import.meta.main) {
  await buildBundles();
  const deb = await buildDeb();
  const { size } = await stat(deb);
  process.stdout.write(`${deb}: ${formatSize(size)}\n`);
}
