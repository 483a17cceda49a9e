import { parseDuration } from '../../lib/units.ts';
import type { Command } from '../command.ts';

/** For `berth-apps.service`, not for people: afterwards `berthd` takes no commands until it is started again. */
export const shutdownApps: Command = {
  name: 'shutdown-apps',
  args: [],
  options: [{ name: 'deadline', value: 'DURATION', summary: 'what is left then is killed; default 60s' }],
  hidden: true,
  summary: 'stop all apps in order because the device shuts down',
  help: ['Stops all apps in the reverse order of their start. What is desired does not change: at the next start of berthd they run again.'],
  examples: [],
  run: async ({ client }, { values }) => {
    const deadline = values.get('deadline');
    await client.request('POST', '/shutdown', deadline === undefined ? {} : { deadlineMs: parseDuration(deadline, '--deadline') });
  },
};
