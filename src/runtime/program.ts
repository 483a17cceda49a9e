import { access, constants } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';

/** Directories looked into besides `PATH`: Debian has runc in sbin, which is not in everybody's `PATH`. */
const systemDirectories = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The absolute path of a program; a path is taken as it is. Undefined if there is none. */
export async function findProgram(program: string): Promise<string | undefined> {
  if (isAbsolute(program)) return program;
  for (const directory of [...(process.env['PATH'] ?? '').split(delimiter), ...systemDirectories]) {
    const path = join(directory, program);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Not here; the next one.
    }
  }
  return undefined;
}
