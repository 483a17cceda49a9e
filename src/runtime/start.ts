import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asBerthError, BerthError, isErrno } from '../lib/errors.ts';
import { identifyProcess, isAlive, type ProcessIdentity } from '../lib/process.ts';
import { limitsOf } from './cgroup-limits.ts';
import { monitorMessage, parseSyncFile, startConmon, type SyncMessage } from './conmon.ts';
import { readIfThere } from './files.ts';
import { stageHostPaths } from './host-paths.ts';
import { plainMessage } from './oci-runtime.ts';
import { bundleFiles, isInstanceId, type BundleFiles } from './places.ts';
import { removeInstance } from './remove.ts';
import type { Room } from './room.ts';
import type { InstanceRecord, InstanceSpec } from './types.ts';

/**
 * Writes the bundle, has conmon create the container, and starts it.
 * @throws BerthError saying why not, usually in the OCI runtime's words; what was made is gone again
 */
export async function startInstance(room: Room, spec: InstanceSpec): Promise<InstanceRecord> {
  const { id, app } = spec;
  if (!isInstanceId(id)) throw new BerthError('internal', `not the id of an instance: ${id} (expected 64 hexadecimal digits)`);
  const files = bundleFiles(room.places, id);
  try {
    mkdirSync(files.directory, { mode: 0o700 });
  } catch (error) {
    throw isErrno(error, 'EEXIST') ? new BerthError('conflict', `instance ${id} of ${app} is there already`) : asBerthError(error);
  }
  try {
    return await createAndStart(room, spec, files);
  } catch (error) {
    try {
      await removeInstance(room, id);
    } catch (leftover) {
      room.journal('error', `${app}: after a failed start, not everything could be removed: ${asBerthError(leftover).message}`);
    }
    const { code, message, detail } = asBerthError(error);
    throw new BerthError(code, `${app} cannot be started: ${message}`, { detail, cause: error });
  }
}

async function createAndStart(room: Room, spec: InstanceSpec, files: BundleFiles): Promise<InstanceRecord> {
  const { id, app } = spec;
  writeFileSync(files.app, app);
  await using hostPaths = await stageHostPaths(spec.hostPaths ?? [], id, room.places.hostPaths, room.forbidden);
  const networked = await room.networks.prepare(spec, files);
  const config = hostPaths.place(await room.busNames.prepare({ ...spec, config: networked }));
  writeFileSync(files.config, JSON.stringify(config), { mode: 0o600 });
  const log = room.logs.prepare(app);
  const command = { id, places: room.places, files, oci: room.oci, ...(log === undefined ? {} : { log }) };
  const monitor = await startConmon(room.conmon, command, (pid) => {
    room.cgroups.limit(app, limitsOf(config, spec.limits));
    room.cgroups.enterMonitor(app, pid);
  });
  const init = await createdProcess(room, id, files, monitor);
  if (log !== undefined) room.logs.begin(app, monitor, files.logCount);
  openOutput(init);
  await room.networks.connect(id, init.pid);
  await room.oci.start(id);
  return { id, app, bootId: room.bootId, init, monitor, startedAt: room.clock.now() };
}

/**
 * Lets all of the app's users open its output by name (`/dev/stdout`, to which programs that know only files write):
 * conmon's pipes are the host's root's. Who has not got them by inheritance finds no name of theirs.
 */
function openOutput({ pid }: ProcessIdentity): void {
  for (const descriptor of [1, 2]) {
    const path = `/proc/${pid}/fd/${descriptor}`;
    if (statSync(path).isFIFO()) chmodSync(path, 0o622);
  }
}

/** Waits until conmon says that the container is created, and gives its first process. */
async function createdProcess(room: Room, id: string, files: BundleFiles, monitor: ProcessIdentity): Promise<ProcessIdentity> {
  const message = await syncMessage(room, id, monitor);
  const init = 'pid' in message ? identifyProcess(message.pid) : undefined;
  if (init !== undefined) return init;
  const fault = 'fault' in message ? message.fault : 'the container ended before it was started';
  throw new BerthError('runtime', plainMessage(fault || (readIfThere(files.runtimeLog) ?? monitorMessage(files) ?? '')));
}

async function syncMessage(room: Room, id: string, monitor: ProcessIdentity): Promise<SyncMessage> {
  const ends: (() => void)[] = [];
  try {
    return await new Promise<SyncMessage>((resolve) => {
      const look = (): boolean => {
        const message = parseSyncFile(readIfThere(join(room.places.syncs, id)) ?? '');
        if (message !== undefined) resolve(message);
        return message !== undefined;
      };
      ends.push(
        room.syncs.on(id, look),
        room.pulse.add(() => {
          // In this order: what a living conmon may still say is looked for after its death.
          if (!isAlive(monitor) && !look()) resolve({ fault: '' });
        }),
      );
      look();
    });
  } finally {
    for (const end of ends) end();
  }
}
