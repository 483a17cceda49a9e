import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { run } from '../src/lib/process.ts';
import { formatSize } from '../src/lib/units.ts';

/** What figures were measured on, by name. */
export type Machine = Readonly<Record<string, string>>;

/** Describes this machine; `directory` is on the file system that was used, `backing` on the one that holds it. */
export async function describeMachine(directory: string, backing: string): Promise<Machine> {
  return {
    'processor': `${cpuModel(readFileSync('/proc/cpuinfo', 'utf8'))}, ${availableParallelism()} cores`,
    'memory': formatSize(totalmem()),
    'kernel': readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
    'system': /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'unknown',
    'file system': `${await fileSystem(directory)}, in a file on ${await fileSystem(backing)}`,
    'runc': await firstLine('runc', '--version'),
    'conmon': await firstLine('conmon', '--version'),
    'dpkg-deb': await firstLine('dpkg-deb', '--version'),
    'node': process.version,
  };
}

/** Name of the first processor in `/proc/cpuinfo`; ARM kernels give only a number there. */
export function cpuModel(cpuinfo: string): string {
  return /^(?:model name|Hardware|CPU part)\s*:\s*(.+)$/m.exec(cpuinfo)?.[1]?.trim() ?? process.arch;
}

async function fileSystem(path: string): Promise<string> {
  return firstLine('findmnt', '--noheadings', '--output', 'FSTYPE,SOURCE,OPTIONS', '--target', path);
}

async function firstLine(command: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(command, args);
  return stdout.split('\n')[0]!.replaceAll(/\s+/g, ' ').trim();
}
