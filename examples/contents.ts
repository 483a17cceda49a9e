import { chmod, cp, mkdir, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { DebianTree } from './debian.ts';

const checkout = join(import.meta.dirname, '..');
const ownNode = join(checkout, 'node_modules', 'node');

/** What an example takes from elsewhere into its root file system; its own files stand beside its `berth.yaml`. */
export interface Example {
  readonly name: string;
  /** Programs of Debian's packages, as absolute paths; the libraries they load come along. */
  readonly programs: readonly string[];
  /** What else there is to be put in. */
  readonly assemble?: (rootfs: string, debian: DebianTree) => Promise<void>;
}

/** Debian packages that hold the programs below, and libraries for Node. */
export const debianPackages = ['busybox-static', 'mosquitto', 'mosquitto-clients', 'libc6', 'libstdc++6', 'libgcc-s1', 'libatomic1'];

const busybox = '/bin/busybox';
/** Names under which every example has busybox. */
const applets = ['cat', 'echo', 'env', 'grep', 'head', 'id', 'kill', 'ls', 'mount', 'ps', 'sh', 'sleep', 'tail', 'top', 'touch', 'wget'];

/** All examples, in the order in which the demonstration shows them. */
export const examples: readonly Example[] = [
  { name: 'hello-world', programs: [busybox] },
  { name: 'mbl-hello-world', programs: [busybox], assemble: installHello },
  { name: 'mosquitto', programs: [busybox, '/usr/sbin/mosquitto', '/usr/bin/mosquitto_sub'] },
  { name: 'telemetry', programs: [busybox, '/usr/bin/mosquitto_pub'] },
  { name: 'webapp', programs: [busybox], assemble: installWebsite },
  { name: 'crashy', programs: [busybox] },
];

/** The root file system of one example, in a directory that does not exist yet. */
export async function assembleRootfs(example: Example, rootfs: string, debian: DebianTree): Promise<void> {
  for (const directory of ['dev', 'proc', 'run', 'sys', 'tmp']) await mkdir(join(rootfs, directory), { recursive: true });
  for (const program of example.programs) await debian.install(program, rootfs);
  for (const applet of applets) await symlink('busybox', join(rootfs, 'bin', applet));
  await example.assemble?.(rootfs, debian);
}

/** The bundle of Mbed Linux OS is complete as it stands: its program is in the root file system already. */
async function installHello(rootfs: string): Promise<void> {
  await mkdir(join(rootfs, 'usr/bin'), { recursive: true });
  await cp(join(import.meta.dirname, 'hello-world', 'hello.sh'), join(rootfs, 'usr/bin/hello'));
  await chmod(join(rootfs, 'usr/bin/hello'), 0o755);
}

/** Node, and as things to read: JavaScript packages of this project and Node's own C headers, about 3,500 files. */
async function installWebsite(rootfs: string, debian: DebianTree): Promise<void> {
  const program = join(rootfs, 'usr/bin/node');
  await mkdir(dirname(program), { recursive: true });
  await cp(join(ownNode, 'bin', 'node'), program);
  await debian.installLibraries(program, rootfs);
  const www = join(rootfs, 'srv/www');
  for (const name of ['fast-check', 'pure-rand', 'typescript', 'undici-types', 'valibot', 'yaml', '@types/node']) {
    await cp(join(checkout, 'node_modules', name), join(www, 'packages', name), { recursive: true });
  }
  const nodePackage = join(ownNode, 'node_modules', `node-linux-${process.arch}`);
  await cp(join(nodePackage, 'include'), join(www, 'headers'), { recursive: true });
}
