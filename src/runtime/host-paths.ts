import { closeSync, constants, fstatSync, lstatSync, mkdirSync, openSync, readFileSync, readlinkSync, realpathSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathOf } from '../lib/directory.ts';
import { BerthError } from '../lib/errors.ts';
import { run } from '../lib/process.ts';
import { ifThere, namesIn } from './files.ts';
import type { InstanceHostPath, OciConfig } from './types.ts';

/** O_PATH of open(2), which Node does not name: a place, for which no permission bit is needed. */
const O_PATH = 0o10000000;

/** The kernel's own file systems, of which nothing is ever handed out. */
const kernelTrees: readonly string[] = ['/proc', '/sys', '/dev'];

/** The paths of the host that an instance sees, mounted at places of Berth's own until its container is made. */
export interface StagedHostPaths extends AsyncDisposable {
  /** The config with these places as the sources of its mounts. */
  place(config: OciConfig): OciConfig;
}

interface Staged {
  readonly grant: InstanceHostPath;
  readonly place: string;
}

/**
 * Looks where each path that an app is granted leads, links followed: not out of the operator's path (links of which
 * are followed, too), not to `forbidden` nor to what holds any of it. What was looked at is then mounted in `directory`
 * by its descriptor, and the container's mount is made of that: whatever takes its place meanwhile is not what is seen.
 * @param id of the instance
 * @param forbidden absolute paths besides the kernel's own file systems
 * @throws BerthError `not_found`, `denied` naming the path
 */
export async function stageHostPaths(granted: readonly InstanceHostPath[], id: string, directory: string, forbidden: readonly string[]): Promise<StagedHostPaths> {
  const staged: Staged[] = [];
  const release = async (): Promise<void> => {
    for (const { place } of staged) await unstage(place);
  };
  try {
    for (const [index, grant] of granted.entries()) {
      const descriptor = open(grant);
      try {
        requireInside(grant, readlinkSync(pathOf(descriptor)), [...kernelTrees, ...forbidden.map(resolved)]);
        const place = join(directory, `${id}-${index}`);
        staged.push({ grant, place });
        if (fstatSync(descriptor).isDirectory()) mkdirSync(place, { mode: 0o700 });
        else writeFileSync(place, '', { mode: 0o600 });
        // Its own path would be looked up anew; mount(8) must take the descriptor for what it is.
        await must('mount', ['--no-canonicalize', '--make-private', '--bind', `/proc/${process.pid}/fd/${descriptor}`, place]);
      } finally {
        closeSync(descriptor);
      }
    }
  } catch (error) {
    await release();
    throw error;
  }
  const placeOf = ({ destination, source }: Pick<InstanceHostPath, 'destination' | 'source'>): string =>
    staged.find(({ grant }) => grant.destination === destination && grant.source === source)?.place ?? source;
  return {
    place: (config) => {
      if (staged.length === 0) return config;
      const mounts = (config['mounts'] as readonly Pick<InstanceHostPath, 'destination' | 'source'>[]).map((mount) => ({ ...mount, source: placeOf(mount) }));
      return { ...config, mounts };
    },
    [Symbol.asyncDispose]: release,
  };
}

/** Takes away what a daemon that ended in between has left in `directory`. */
export async function sweepHostPaths(directory: string): Promise<void> {
  for (const name of namesIn(directory)) await unstage(join(directory, name));
}

/** Never removes what is mounted there: a place that is still mounted stays. */
async function unstage(place: string): Promise<void> {
  if (mountPoints().includes(place)) await must('umount', ['--no-canonicalize', '-l', place]);
  ifThere(() => {
    if (lstatSync(place).isDirectory()) rmdirSync(place);
    else unlinkSync(place);
  });
}

async function must(command: string, args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(command, args);
  if (code !== 0) throw new BerthError('io', `${command} ${args.at(-1)} failed: ${stderr.trim()}`);
}

function open({ source, destination }: InstanceHostPath): number {
  try {
    return openSync(source, O_PATH | constants.O_RDONLY);
  } catch (error) {
    throw new BerthError('not_found', `${source}, which it is to see at ${destination}, cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}

/** @param path to which the source of a grant leads */
function requireInside({ source, within }: InstanceHostPath, path: string, forbidden: readonly string[]): void {
  const named = path === source ? source : `${source}, which leads to ${path},`;
  const refuse = (why: string): never => {
    throw new BerthError('denied', `${named} ${why}`);
  };
  if (!isAt(path, resolved(within))) refuse(`is not in ${within}, which the policy lists`);
  const near = forbidden.find((other) => isAt(path, other) || isAt(other, path));
  if (near !== undefined) refuse(`${isAt(path, near) ? 'is in' : 'holds'} ${near}, of which no app sees anything`);
  const below = mountPoints().find((point) => point !== path && isAt(point, path));
  if (below !== undefined) refuse(`holds another file system, mounted at ${below}; list and ask for that one by itself`);
}

/** Where a path leads; one that is not there leads to itself. */
function resolved(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** True for a path and what is below it. */
function isAt(path: string, top: string): boolean {
  return path === top || top === '/' || path.startsWith(`${top}/`);
}

/** proc_pid_mountinfo(5): the fifth field, in which a blank and the like are octal. */
function mountPoints(): readonly string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line !== '').map((line) =>
    line.split(' ')[4]!.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8))));
}
