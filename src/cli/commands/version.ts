import type { VersionInfo } from '../../http/index.ts';
import { asBerthError, type BerthError } from '../../lib/errors.ts';
import { escapeForTerminal } from '../../lib/terminal.ts';
import { version as ownVersion } from '../../lib/version.ts';
import type { Command, Context } from '../command.ts';

async function daemonVersion({ client }: Context): Promise<VersionInfo | BerthError> {
  try {
    return await client.request<VersionInfo>('GET', '/version');
  } catch (error) {
    const fault = asBerthError(error);
    if (fault.code === 'cancelled') throw fault;
    return fault;
  }
}

export const version: Command = {
  name: 'version',
  args: [],
  options: [],
  summary: 'tell the versions of berth and berthd',
  help: ['Tells the version of this program and, if berthd can be reached, what runs on the device. A device that cannot be reached is no failure here.'],
  examples: [{ line: 'berth version --json', meaning: 'for a script' }],
  run: async (context) => {
    const daemon = await daemonVersion(context);
    if (daemon instanceof Error) {
      await context.result({ berth: ownVersion, berthd: null }, () => `berth   ${ownVersion}\nberthd  not reached: ${escapeForTerminal(daemon.message)}\n`);
      return;
    }
    const { version, runtime, kernel, architecture, node } = daemon;
    await context.result(
      { berth: ownVersion, berthd: daemon },
      () => `berth   ${ownVersion}\nberthd  ${escapeForTerminal(`${version} (${runtime}, Linux ${kernel}, ${architecture}, Node ${node})`)}\n`,
    );
  },
};
