import { statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { SupervisorOptions } from '../lifecycle/index.ts';
import type { Runtime } from '../runtime/index.ts';
import { measureTaken, takenBy, volumesDirectory, type Store } from '../store/index.ts';

/** How the watch over the data of apps looks at the disk. @param reserveBytes as the operator says it */
export function dataRoom(store: Pick<Store, 'root' | 'app' | 'dataPath'>, runtime: Pick<Runtime, 'deletedFiles'>, reserveBytes: number | undefined): NonNullable<SupervisorOptions['data']> {
  return {
    room: () => {
      const { bavail, bsize, blocks, ffree, files } = statfsSync(store.root);
      // File systems without a fixed number of inodes say 0.
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize, freeInodes: files === 0 ? Infinity : ffree, totalInodes: files === 0 ? Infinity : files };
    },
    measure: async ({ app, instance, generation = store.app(app)?.dataGeneration }) => {
      // Only what the instance may write to: copies of it, for the way back, are not its doing.
      if (generation === undefined) return { bytes: 0, tooDeep: false };
      const data = await measureTaken(store.dataPath(app, generation));
      const volumes = await measureTaken(join(store.root, volumesDirectory(app)));
      const device = statSync(join(store.root, 'data')).dev;
      const deleted = runtime.deletedFiles(instance, device).reduce((sum, stat) => sum + takenBy(stat), 0);
      return { bytes: data.bytes + volumes.bytes + deleted, tooDeep: data.tooDeep || volumes.tooDeep };
    },
    ...(reserveBytes === undefined ? {} : { reserveBytes }),
  };
}
