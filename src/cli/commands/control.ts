import type { AppStatus } from '../../lifecycle/index.ts';
import { asBerthError, BerthError } from '../../lib/errors.ts';
import { escapeForTerminal } from '../../lib/terminal.ts';
import { parseDuration } from '../../lib/units.ts';
import type { Query } from '../client.ts';
import type { Command, Context, Option } from '../command.ts';

const apps = [{ name: 'APP', many: true, kind: 'app' }] as const;

/** Does the same to several apps, one after the other; goes on after a fault and tells all of them at the end. */
async function each(context: Context, names: readonly string[], verb: string, query: Query = {}): Promise<void> {
  const done: AppStatus[] = [];
  const faults: BerthError[] = [];
  for (const name of names) {
    try {
      const app = await context.client.request<AppStatus>('POST', `/apps/${encodeURIComponent(name)}/${verb}`, query);
      done.push(app);
      if (!context.json) await context.io.out(escapeForTerminal(`${app.name} is ${app.state}`) + '\n');
    } catch (error) {
      const fault = asBerthError(error);
      if (fault.code === 'cancelled' || names.length === 1) throw fault;
      faults.push(fault);
    }
  }
  const [first] = faults;
  if (first !== undefined) {
    const detail = { apps: done, errors: faults.map((fault) => fault.toBody().error) };
    throw new BerthError(first.code, faults.map((fault) => fault.message).join('\n'), { detail });
  }
  if (context.json) await context.result({ apps: done }, () => '');
}

function control(verb: string, summary: string, help: readonly string[], options: readonly Option[] = []): Command {
  return {
    name: verb,
    args: apps,
    options,
    summary,
    help,
    examples: [{ line: `berth ${verb} mosquitto telemetry`, meaning: 'two apps, one after the other' }],
    run: async (context, { args, values }) => {
      const timeout = values.get('timeout');
      await each(context, args, verb, timeout === undefined ? {} : { timeoutMs: parseDuration(timeout, '--timeout') });
    },
  };
}

/** Commands that change the state of apps. With `--json` they give `{"apps":[…]}`, the apps afterwards. */
export const controls: readonly Command[] = [
  control('start', 'start apps and keep them running', [
    'Starts each app and waits until it runs. From now on it is wanted: it is restarted as its restart policy says, and started again when the device boots.',
  ]),
  control(
    'stop',
    'stop apps; they stay stopped',
    ['Sends each app its stop signal, and SIGKILL when its stop timeout is over. A stopped app stays stopped, also when the device boots.'],
    [{ name: 'timeout', short: 't', value: 'DURATION', summary: 'time from the stop signal to SIGKILL (10s, 1m), in place of the app\'s own' }],
  ),
  control('kill', 'kill apps at once; they stay stopped', ['Sends SIGKILL to each app. It stays stopped until a person starts it.']),
  control('suspend', 'freeze running apps', ['Freezes every process of each app where it stands. It keeps its memory, and runs on after `berth resume`.']),
  control('resume', 'let suspended apps go on', ['Thaws apps that `berth suspend` froze.']),
  control('restart', 'stop and start apps', ['Stops each app as `berth stop` does and starts it again. Its count of restarts begins anew.']),
];
