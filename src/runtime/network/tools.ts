import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BerthError } from '../../lib/errors.ts';
import { run } from '../../lib/process.ts';
import { findProgram } from '../program.ts';

/** Longest that a program for networks may take. */
const timeoutMs = 30_000;

/** Where Debian's containernetworking-plugins and the project's own archives have the CNI plugins. */
export const pluginDirectories: readonly string[] = ['/usr/lib/cni', '/opt/cni/bin'];
/** Plugins that Berth calls (CNI specification 1.0.0). */
export const pluginNames = ['bridge', 'static', 'bandwidth'] as const;
export type PluginName = (typeof pluginNames)[number];

/** Programs that Berth calls for networks, and the Debian package that has each. */
export const networkPrograms = { nft: 'nftables', ip: 'iproute2', bridge: 'iproute2' } as const;

type NetworkProgram = keyof typeof networkPrograms;

/** @throws BerthError `unavailable` if one of the programs is not installed, naming its Debian package */
export async function requireTools(): Promise<void> {
  for (const program of Object.keys(networkPrograms) as NetworkProgram[]) await pathOf(program);
}

async function pathOf(program: NetworkProgram): Promise<string> {
  const path = await findProgram(program);
  if (path === undefined) throw new BerthError('unavailable', `${program} is not installed, without which no app can have a bridge; install the package ${networkPrograms[program]}`);
  return path;
}

/**
 * Runs a program for networks to its success and gives its standard output.
 * @throws BerthError `unavailable` if it is not installed, naming its Debian package; `runtime` with what it said
 */
export async function runTool(program: NetworkProgram, args: readonly string[], input?: string): Promise<string> {
  const path = await pathOf(program);
  const { code, stdout, stderr } = await run(path, args, { timeoutMs, ...(input === undefined ? {} : { input }) });
  if (code !== 0) throw new BerthError('runtime', `${program} ${args.join(' ')}: ${stderr.trim().split('\n')[0] ?? `ended with ${code}`}`);
  return stdout;
}

/** Directory with the CNI plugins; undefined if there is none. */
export function findPlugins(configured: string | undefined): string | undefined {
  const candidates = configured === undefined ? pluginDirectories : [configured];
  return candidates.find((directory) => pluginNames.every((name) => existsSync(join(directory, name))));
}
