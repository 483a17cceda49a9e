import { escapeForTerminal } from '../../lib/terminal.ts';
import type { Command } from '../command.ts';

export const remove: Command = {
  name: 'remove',
  args: [{ name: 'APP', kind: 'app' }],
  options: [{ name: 'purge', summary: 'also delete the data that the app kept' }],
  summary: 'stop an app and take it away',
  help: ['Stops the app and takes it and its images away. The data that it kept stays for a later install, unless --purge is given.'],
  examples: [{ line: 'berth remove --purge web', meaning: 'the app web and its data' }],
  run: async ({ client, result }, { args, flags }) => {
    const purge = flags.has('purge');
    const document = await client.request<{ removed: string; purged: boolean }>('DELETE', `/apps/${encodeURIComponent(args[0]!)}`, purge ? { purge } : {});
    await result(document, () => `removed ${escapeForTerminal(document.removed)}${document.purged ? ' and its data' : ''}\n`);
  },
};
