import { existsSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ifThere, namesIn, readIfThere } from './files.ts';
import { sweepHostPaths } from './host-paths.ts';
import { bundleFiles, isInstanceId } from './places.ts';
import type { Room } from './room.ts';

/** conmon ends by itself right after its container; it is killed if it takes longer, in milliseconds. */
const monitorGraceMs = 2000;
const askMs = 5;

/**
 * Takes away all of an instance: its processes, container, cgroups and files. `shared` says that another instance of
 * the app runs, to which the cgroups now belong.
 */
export async function removeInstance(room: Room, id: string, { shared = false } = {}): Promise<void> {
  const { places, cgroups, oci } = room;
  const files = bundleFiles(places, id);
  const app = shared ? undefined : readIfThere(files.app);
  if (app !== undefined) await cgroups.end(app, 'app');
  if (existsSync(join(places.oci, id))) await oci.delete(id);
  await room.busNames.release(id);
  if (app !== undefined) {
    await cgroups.end(app, 'monitor', monitorGraceMs);
    cgroups.remove(app);
  }
  await room.networks.disconnect(id);
  for (const directory of [places.exits, places.syncs, places.attach]) {
    // conmon, killed while it wrote its exit file, leaves `<id>.XXXXXX`.
    for (const name of namesIn(directory)) if (instanceOf(name) === id) await rm(join(directory, name), { force: true });
  }
  // Last, since it names the app: after a fault in between, the next call finds its way.
  await rm(files.directory, { recursive: true, force: true });
}

function instanceOf(name: string): string {
  return name.slice(0, 64);
}

/**
 * Takes away every instance that is not in `known`, however far it came, and cgroups of apps without an instance.
 * Gives the ids.
 */
export async function sweepInstances(room: Room, known: ReadonlySet<string>): Promise<readonly string[]> {
  const { places, cgroups } = room;
  await endStrayMonitors(room, known);
  await sweepHostPaths(places.hostPaths);
  await room.busNames.sweep(known);
  const directories = [places.bundles, places.oci, places.exits, places.syncs, places.attach];
  const present = new Set(directories.flatMap((directory) => namesIn(directory)).map(instanceOf).filter((id) => isInstanceId(id)));
  const appsOf = (ids: Iterable<string>): Set<string | undefined> => new Set([...ids].map((id) => readIfThere(bundleFiles(places, id).app)));
  const knownApps = appsOf(known);
  const swept = [...present].filter((id) => !known.has(id));
  for (const id of swept) await removeInstance(room, id, { shared: knownApps.has(readIfThere(bundleFiles(places, id).app)) });
  for (const app of cgroups.apps()) {
    if (knownApps.has(app)) continue;
    await cgroups.end(app, 'app');
    await cgroups.end(app, 'monitor');
    cgroups.remove(app);
  }
  await room.networks.restore();
  for (const name of namesIn(places.execs)) await rm(join(places.execs, name), { force: true });
  return swept;
}

/**
 * Ends conmons that nobody knows. One whose daemon died before it was placed is in no cgroup of ours, so it is found by
 * its command line; and as it may be about to fork, we look until there is none.
 */
async function endStrayMonitors(room: Room, known: ReadonlySet<string>): Promise<void> {
  for (;;) {
    const strays = monitors(room.places.bundles).filter(({ id }) => !known.has(id));
    if (strays.length === 0) return;
    for (const { pid } of strays) ifThere(() => process.kill(pid, 'SIGKILL'));
    await room.clock.sleep(askMs);
  }
}

/** Every process started with `--bundle <bundles>/<id>`. */
function monitors(bundles: string): readonly { readonly pid: number; readonly id: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const args = readIfThere(`/proc/${name}/cmdline`)?.split('\0') ?? [];
      const bundle = args[args.indexOf('--bundle') + 1] ?? '';
      const id = bundle.slice(bundles.length + 1);
      return bundle.startsWith(`${bundles}/`) && isInstanceId(id) ? [{ pid: Number(name), id }] : [];
    });
}
