import { existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asBerthError, BerthError } from '../lib/errors.ts';
import { namesIn, readIfThere } from './files.ts';
import { OciRuntime } from './oci-runtime.ts';
import type { Places } from './places.ts';
import { findProgram } from './program.ts';

/** Tried in this order: runc works on cgroup v1 and v2, crun is smaller but only at home on v2. */
const candidates = ['runc', 'crun'] as const;

/** A container of the least that a runtime must manage: namespaces, a cgroup, a program that is surely there. */
function trialConfig(cgroupsPath: string): unknown {
  return {
    ociVersion: '1.0.2',
    // Created, never started: nothing of it runs.
    process: { user: { uid: 0, gid: 0 }, args: ['/proc/self/exe'], env: ['PATH=/'], cwd: '/', noNewPrivileges: true },
    root: { path: 'rootfs', readonly: true },
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      // crun wants to put its devices somewhere.
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
    ],
    linux: {
      cgroupsPath,
      namespaces: ['pid', 'mount', 'ipc', 'uts', 'network'].map((type) => ({ type })),
      resources: { devices: [{ allow: false, access: 'rwm' }], pids: { limit: 64 } },
    },
  };
}

/**
 * The OCI runtime to use: the one asked for (a name or a path), else the first that can create a container on this
 * host. Kept in the run directory for as long as the machine runs, since one runtime cannot take over the other's containers.
 * @throws BerthError `unavailable` saying why each one cannot be used
 */
export async function chooseOciRuntime(places: Places, cgroupsPath: string, wanted?: string): Promise<OciRuntime> {
  const before = readIfThere(places.choice);
  if (before !== undefined && existsSync(before) && (wanted === undefined || before === (await findProgram(wanted)))) return new OciRuntime(before, places.oci);
  const faults: string[] = [];
  for (const name of wanted === undefined ? candidates : [wanted]) {
    const path = await findProgram(name);
    if (path === undefined) {
      faults.push(`${name} is not installed`);
      continue;
    }
    const runtime = new OciRuntime(path, places.oci);
    try {
      await tryOut(runtime, places, cgroupsPath);
      await writeFile(places.choice, path);
      return runtime;
    } catch (error) {
      faults.push(asBerthError(error).message);
    }
  }
  throw new BerthError('unavailable', `no OCI runtime works on this host: ${faults.join('; ')}; install runc, and see what berth doctor says`);
}

const trialId = 'trial';

async function tryOut(runtime: OciRuntime, { bundles, oci }: Places, cgroupsPath: string): Promise<void> {
  const bundle = join(bundles, trialId);
  for (const mountPoint of ['proc', 'dev']) await mkdir(join(bundle, 'rootfs', mountPoint), { recursive: true, mode: 0o711 });
  try {
    await writeFile(join(bundle, 'config.json'), JSON.stringify(trialConfig(cgroupsPath)));
    if (namesIn(oci).includes(trialId)) await runtime.delete(trialId); // the daemon died in the middle of it
    await runtime.create(trialId, bundle);
    await runtime.delete(trialId);
  } finally {
    await rm(bundle, { recursive: true });
  }
}
