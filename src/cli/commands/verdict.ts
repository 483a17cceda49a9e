import { BerthError } from '../../lib/errors.ts';
import type { UpdateStatus } from '../../update/index.ts';
import type { Command } from '../command.ts';
import { render, span } from '../style.ts';

/** What a person's verdict on an app has brought about, in a line. */
export function renderVerdict(app: string, { id, source, outcome, apps, reason }: UpdateStatus, colour: boolean): string {
  const member = apps.find((entry) => entry.app === app);
  if (outcome === 'committed' && source === 'operator' && member !== undefined) {
    const from = member.from === undefined ? '' : ` from ${member.from.version}`;
    return `${render(span(`${app} is back at ${member.to.version}${from} (update ${id})`, 'yellow'), colour)}\n`;
  }
  if (outcome === 'committed') return `${render(span(`update ${id} is committed: ${app} ${member?.to.version ?? ''}`.trimEnd(), 'green'), colour)}\n`;
  if (outcome === 'rolled-back') {
    const back = apps.flatMap(({ app: name, from }) => (from === undefined ? [] : [`${name} ${from.version}`]));
    return `${render(span(`update ${id} is rolled back to ${back.join(', ')}`, 'yellow'), colour)}\n`;
  }
  if (outcome !== undefined) return `${render(span(`update ${id} is ${outcome}${reason === undefined ? '' : `: ${reason.message}`}`, 'red'), colour)}\n`;
  const others = apps.filter(({ trial }) => trial !== undefined && !trial.passed).map((entry) => entry.app);
  const rest = others.length === 0 ? 'is being committed' : `waits for ${others.join(', ')}`;
  return `${render(span(`${app} has passed; update ${id} ${rest}`, 'cyan'), colour)}\n`;
}

function verdict(verb: 'confirm' | 'rollback', expected: readonly UpdateStatus['outcome'][], texts: Pick<Command, 'summary' | 'help' | 'examples'>): Command {
  return {
    name: verb,
    args: [{ name: 'APP', kind: 'app' }],
    options: [],
    ...texts,
    run: async ({ client, result, colour }, { args }) => {
      const app = args[0]!;
      const update = await client.request<UpdateStatus>('POST', `/apps/${encodeURIComponent(app)}/${verb}`);
      // A trial may have ended otherwise in the very moment.
      if (!expected.includes(update.outcome)) {
        throw new BerthError('conflict', `update ${update.id} of ${app} was ${update.outcome ?? 'not over'} already; \`berth updates ${update.id}\` tells more`, { detail: { update } });
      }
      await result(update, () => renderVerdict(app, update, colour));
    },
  };
}

/** What a person decides about an app that was updated. */
export const verdicts: readonly Command[] = [
  verdict('confirm', ['committed', undefined], {
    summary: 'say that an app on trial runs well',
    help: ['Ends the trial of the app: a person\'s word counts for all that is still waited for. When every app of the payload has passed, the update is committed.'],
    examples: [{ line: 'berth confirm web', meaning: 'the new version of web stays' }],
  }),
  verdict('rollback', ['rolled-back', 'committed'], {
    summary: 'bring the version before back',
    help: [
      'During a trial all of the payload goes back, with the data as it was before the update. After it, this app alone goes back to the image that is kept, and keeps its data as it is. The command ends when the old version runs.',
    ],
    examples: [{ line: 'berth rollback web', meaning: 'the version of web that ran before' }],
  }),
];
