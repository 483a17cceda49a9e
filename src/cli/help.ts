import { usageLine } from './arguments.ts';
import { globalOptions, type Command, type Option } from './command.ts';

/** `-f, --follow` or `-n, --tail N` */
export function optionSyntax({ name, short, value }: Option): string {
  return `${short === undefined ? '    ' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
}

/** Text broken at spaces so that no line is longer than `width`, all lines indented. */
export function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, indent + line].join('\n');
}

function list(rows: readonly (readonly [string, string])[], width: number): string {
  const left = Math.max(...rows.map(([name]) => name.length)) + 4;
  return rows.map(([name, text]) => `  ${name.padEnd(left - 2)}${wrap(text, width, ' '.repeat(left)).trimStart()}\n`).join('');
}

/** What `berth help` prints. */
export function overview(commands: readonly Command[], width: number): string {
  const shown = commands.filter((command) => command.hidden !== true);
  return [
    'usage: berth [--host HOST] [--json] COMMAND\n',
    'Installs, runs and watches applications on a device.\n',
    `Commands:\n${list(shown.map(({ name, summary }) => [name, summary]), width)}`,
    `Options:\n${list(globalOptions.map((option) => [optionSyntax(option), option.summary]), width)}`,
    '`berth help COMMAND` tells more about a command. Exit status: 0 done, 1 failed, 2 wrong usage.\n',
  ].join('\n');
}

/** What `berth help COMMAND` and `berth COMMAND --help` print. */
export function commandHelp(command: Command, width: number): string {
  const parts = [`usage: ${usageLine(command)}\n`, ...command.help.map((paragraph) => `${wrap(paragraph, width)}\n`)];
  const options = [...command.options, ...globalOptions];
  parts.push(`Options:\n${list(options.map((option) => [optionSyntax(option), option.summary]), width)}`);
  if (command.examples.length > 0) {
    parts.push(`Examples:\n${command.examples.map(({ line, meaning }) => `  ${line}\n      ${meaning}\n`).join('')}`);
  }
  return parts.join('\n');
}
