import type { LogLine } from '../../runtime/index.ts';
import { escapeForTerminal } from '../../lib/terminal.ts';
import { wholeNumber } from '../arguments.ts';
import type { Command } from '../command.ts';
import { parseMoment } from '../format.ts';

/** How lines look: as the app wrote them, but escaped and coloured on a terminal. */
export class LogRenderer {
  readonly #terminal: boolean;
  readonly #colour: boolean;
  readonly #timestamps: boolean;
  /** True if the next line goes on where the last one stopped. */
  #continued = false;

  constructor(options: { readonly terminal: boolean; readonly colour: boolean; readonly timestamps: boolean }) {
    this.#terminal = options.terminal;
    this.#colour = options.colour;
    this.#timestamps = options.timestamps;
  }

  render({ time, stream, text, partial }: LogLine): string {
    const safe = this.#terminal ? escapeForTerminal(text, { keepTabs: true }) : text;
    const body = this.#paint(stream, stream === 'berth' ? `-- ${safe} --` : safe);
    const prefix = this.#timestamps && !this.#continued ? `${escapeForTerminal(time)} ` : '';
    this.#continued = partial;
    return prefix + body + (partial ? '' : '\n');
  }

  #paint(stream: LogLine['stream'], text: string): string {
    if (!this.#colour || stream === 'stdout') return text;
    return `\x1b[${stream === 'stderr' ? '33' : '2'}m${text}\x1b[0m`;
  }
}

export const logs: Command = {
  name: 'logs',
  args: [{ name: 'APP', kind: 'app' }],
  options: [
    { name: 'follow', short: 'f', summary: 'go on with new lines until Ctrl-C' },
    { name: 'tail', short: 'n', value: 'N', summary: 'only the last N lines' },
    { name: 'since', value: 'TIME', summary: 'nothing older: a duration (10m) or a time (2026-01-02T03:04:05Z)' },
    { name: 'timestamps', short: 't', summary: 'when each line was written' },
  ],
  summary: 'show what an app printed',
  help: [
    'Shows the kept output of an app, oldest first, also of instances that have ended. Lines between `--` are Berth\'s own, such as the mark of a gap.',
    'On a terminal, control characters are shown as escapes, and what the app wrote to standard error is coloured. Elsewhere lines are as the app wrote them. With --json each line is a document that names its stream.',
  ],
  examples: [
    { line: 'berth logs -f -n 20 web', meaning: 'the last 20 lines, then new ones' },
    { line: 'berth logs --since 1h --timestamps web', meaning: 'the last hour' },
  ],
  run: async ({ client, io, json, colour }, given) => {
    const since = given.values.get('since');
    const lines = client.lines<LogLine>(`/apps/${encodeURIComponent(given.args[0]!)}/logs`, {
      tail: wholeNumber(given, 'tail'),
      since: since === undefined ? undefined : Math.max(0, Math.round(parseMoment(since, '--since', io.now()))),
      follow: given.flags.has('follow') ? true : undefined,
    });
    const renderer = new LogRenderer({ terminal: io.outTerminal, colour, timestamps: given.flags.has('timestamps') });
    for await (const line of lines) await io.out(json ? `${JSON.stringify(line)}\n` : renderer.render(line));
  },
};
