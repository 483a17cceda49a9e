import { join } from 'node:path';

/**
 * Where an app's data directory for a path in the container is, below `data`, the directory of a generation. All of
 * them lie side by side, whatever their paths: above each there are only directories that the app cannot change, so
 * that no link which an app leaves in its data leads anywhere when a later version names a path below it.
 */
export function dataDirectory(data: string, path: string): string {
  return join(data, path.slice(1).replaceAll('/', ':'));
}
