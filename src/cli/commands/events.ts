import type { BerthEvent } from '../../lifecycle/index.ts';
import type { Command } from '../command.ts';
import { formatTime } from '../format.ts';
import { render, span, type Style } from '../style.ts';

const styles: Readonly<Partial<Record<BerthEvent['type'], Style>>> = {
  'app.warning': 'yellow',
  'update.committed': 'green',
  'update.rolled-back': 'red',
  'update.failed': 'red',
};

/** `2026-01-02 03:04:05  app.state  web is running`; the message names the app. */
export function renderEvent(event: BerthEvent, colour: boolean): string {
  const cells = [
    span(formatTime(event.at), 'dim'),
    span(event.type.padEnd('update.rolled-back'.length), styles[event.type] ?? 'cyan'),
    span(event.message),
  ];
  return `${cells.map((cell) => render(cell, colour)).join('  ')}\n`;
}

export const events: Command = {
  name: 'events',
  args: [],
  options: [{ name: 'follow', short: 'f', summary: 'go on with new events until Ctrl-C' }],
  summary: 'show what happened',
  help: ['Shows the events that berthd keeps in memory, oldest first: changes of state and health, ends, installs, removals, updates and warnings.'],
  examples: [{ line: 'berth events -f --json', meaning: 'every event as a document a line, as it happens' }],
  run: async ({ client, io, json, colour }, { flags }) => {
    for await (const event of client.lines<BerthEvent>('/events', { follow: flags.has('follow') ? true : undefined })) {
      await io.out(json ? `${JSON.stringify(event)}\n` : renderEvent(event, colour));
    }
  },
};
