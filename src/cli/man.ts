import { usageLine } from './arguments.ts';
import { globalOptions, type Command, type Option } from './command.ts';

/** A page for man(1), in the macros of man(7). */
export interface ManualPage {
  readonly name: string;
  readonly section: number;
  readonly summary: string;
  readonly synopsis: readonly string[];
  /** Titles and their contents, already roff. */
  readonly sections: readonly (readonly [string, string])[];
}

/** Text that roff prints as it is. */
export function roff(text: string): string {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll("'", '\\(aq').replaceAll('`', '\\(ga');
  return escaped.replaceAll(/^\./gm, '\\&.');
}

/** `.TP` entries: a term in bold and its meaning. */
export function terms(rows: readonly (readonly [string, string])[]): string {
  return rows.map(([term, meaning]) => `.TP\n.B ${roff(term)}\n${roff(meaning)}\n`).join('');
}

export function renderPage(page: ManualPage, version: string): string {
  return [
    `.TH ${page.name.toUpperCase()} ${page.section} "" "Berth ${version}" "Berth"`,
    `.SH NAME\n${page.name} \\- ${roff(page.summary)}`,
    `.SH SYNOPSIS\n${page.synopsis.map((line) => `.B ${roff(line)}`).join('\n.br\n')}`,
    ...page.sections.map(([title, body]) => `.SH ${title}\n${body.trimEnd()}`),
    '',
  ].join('\n');
}

/** The options of a program or command. */
export function optionTerms(options: readonly Option[]): string {
  return terms(
    options.map(({ name, short, value, summary }) => [`${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`, summary]),
  );
}

/** berth(1), from the table of commands. */
export function berthPage(commands: readonly Command[]): ManualPage {
  const shown = commands.filter((command) => command.hidden !== true);
  return {
    name: 'berth',
    section: 1,
    summary: 'install, run and watch applications on a device',
    synopsis: ['berth [--host HOST] [--json] COMMAND [ARGUMENTS]'],
    sections: [
      ['DESCRIPTION', roff('berth talks to berthd(8), which runs each application of a device in a container of its own.')],
      ['OPTIONS', optionTerms(globalOptions)],
      ['COMMANDS', shown.map(commandSection).join('')],
      [
        'EXIT STATUS',
        terms([
          ['0', 'done'],
          ['1', 'failed'],
          ['2', 'wrong usage'],
          ['130', 'interrupted by Ctrl-C'],
        ]),
      ],
      [
        'ENVIRONMENT',
        terms([
          ['BERTH_HOST', 'the host if --host is not given'],
          ['BERTH_SSH_COMMAND', 'the program for ssh:// hosts, perhaps with arguments, separated by spaces; default ssh'],
          ['NO_COLOR', 'no colours if set'],
        ]),
      ],
      ['SEE ALSO', '.BR berthd (8)'],
    ],
  };
}

function commandSection(command: Command): string {
  const options = command.options.length === 0 ? '' : `.RS\n${optionTerms(command.options)}.RE\n`;
  const examples = command.examples.map(({ line, meaning }) => `.PP\n${roff(meaning)}:\n.EX\n${roff(line)}\n.EE\n`).join('');
  return `.SS "${roff(usageLine(command)).replaceAll('"', '\\(dq')}"\n${command.help.map((paragraph) => `.PP\n${roff(paragraph)}\n`).join('')}${options}${examples}`;
}
