import { statfsSync, statSync } from 'node:fs';
import type { SupervisorOptions } from '../lifecycle/index.ts';
import type { Runtime } from '../runtime/index.ts';
import { measureTaken, takenBy, type Store } from '../store/index.ts';

/** How the watch over the data of apps looks at the disk. @param reserveBytes as the operator says it */
export function dataRoom(store: Pick<Store, 'root' | 'app' | 'dataPath'>, runtime: Pick<Runtime, 'deletedFiles'>, reserveBytes: number | undefined): NonNullable<SupervisorOptions['data']> {
  return {
    room: () => {
      const { bavail, bsize, blocks, ffree, files } = statfsSync(store.root);
      // File systems without a fixed number of inodes say 0.
      return { freeBytes: bavail * bsize, totalBytes: blocks * bsize, freeInodes: files === 0 ? Infinity : ffree, totalInodes: files === 0 ? Infinity : files };
    },
    measure: async ({ app, instance }) => {
      const row = store.app(app);
      // Only what the instance may write to: copies of it, for the way back, are not its doing.
      const path = row === undefined ? undefined : store.dataPath(app, row.dataGeneration);
      const device = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false })?.dev;
      if (path === undefined || device === undefined) return { bytes: 0, tooDeep: false };
      const taken = await measureTaken(path);
      const deleted = runtime.deletedFiles(instance, device).reduce((sum, stat) => sum + takenBy(stat), 0);
      return { bytes: taken.bytes + deleted, tooDeep: taken.tooDeep };
    },
    ...(reserveBytes === undefined ? {} : { reserveBytes }),
  };
}
