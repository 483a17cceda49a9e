import { parseArgs } from 'node:util';
import { BerthError } from '../lib/errors.ts';
import { globalOptions, type Command, type Given, type Option } from './command.ts';
import { nearest } from './suggest.ts';

/** What a command line asks for. */
export type Request =
  | { readonly kind: 'run'; readonly command: Command; readonly given: Given }
  /** Help on one command, or on all. */
  | { readonly kind: 'help'; readonly command?: Command }
  | { readonly kind: 'version' };

/**
 * A command line taken apart by the table of commands. Options may stand before and after the command's name and
 * among its arguments; after `--`, and after the first argument of a `passThrough` command, everything is an argument.
 * @throws BerthError `usage` with a hint; its `detail.command` names the command, if it got so far.
 */
export function parseCommandLine(argv: readonly string[], commands: readonly Command[]): Request {
  const first = tokenize(argv, globalOptions).find((token) => token.kind === 'positional');
  const before = argv.slice(0, first?.index ?? argv.length);
  if (first === undefined) return withoutCommand(before);
  const command = commands.find((entry) => entry.name === first.value);
  if (command === undefined) throw unknownCommand(first.value, commands);
  const rest = argv.slice(first.index + 1);
  const given = read(command, before, rest);
  if (given.flags.has('help')) return { kind: 'help', command };
  checkCount(command, given.args);
  return { kind: 'run', command, given };
}

/** The fault of a command that does not exist. */
export function unknownCommand(name: string, commands: readonly Command[]): BerthError {
  const meant = nearest(name, commands.filter((entry) => entry.hidden !== true).map((entry) => entry.name));
  const hint = meant === undefined ? '`berth help` lists the commands' : `did you mean \`berth ${meant}\`?`;
  return new BerthError('usage', `there is no command "${name}"; ${hint}`);
}

function withoutCommand(argv: readonly string[]): Request {
  if (argv.includes('--version')) return { kind: 'version' };
  const { flags } = read(undefined, argv, []);
  if (flags.has('help') || argv.length === 0) return { kind: 'help' };
  throw new BerthError('usage', 'no command given; `berth help` lists the commands');
}

function tokenize(argv: readonly string[], options: readonly Option[]) {
  const config = Object.fromEntries(
    options.map(({ name, short, value }) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), ...(short !== undefined && { short }) },
    ]),
  );
  return parseArgs({ args: [...argv], options: config, strict: false, allowPositionals: true, tokens: true }).tokens;
}

function read(command: Command | undefined, before: readonly string[], after: readonly string[]): Given {
  const options = [...globalOptions, ...(command?.options ?? [])];
  let end = after.length;
  if (command?.passThrough === true) {
    const mark = tokenize(after, options).find((token) => token.kind !== 'option');
    end = mark === undefined ? end : mark.index;
  }
  const flags = new Set<string>();
  const values = new Map<string, string>();
  const args: string[] = [];
  for (const token of tokenize([...before, ...after.slice(0, end)], options)) {
    if (token.kind === 'positional') args.push(token.value);
    if (token.kind !== 'option') continue;
    const option = options.find((entry) => entry.name === token.name);
    if (option === undefined) throw unknownOption(token.rawName, command, options);
    if (option.value === undefined) {
      if (token.value !== undefined) throw usage(`${token.rawName} takes no value`, command);
      flags.add(option.name);
    } else {
      if (token.value === undefined) throw usage(`${token.rawName} needs a value: ${token.rawName} ${option.value}`, command);
      values.set(option.name, token.value);
    }
  }
  const passed = after.slice(end);
  return { flags, values, args: [...args, ...(passed[0] === '--' ? passed.slice(1) : passed)] };
}

function unknownOption(rawName: string, command: Command | undefined, options: readonly Option[]): BerthError {
  const meant = rawName.startsWith('--') ? nearest(rawName.slice(2), options.map((option) => option.name)) : undefined;
  const where = command === undefined ? '' : ` of \`berth ${command.name}\``;
  return usage(`there is no option ${rawName}${where}${meant === undefined ? '' : `; did you mean --${meant}?`}`, command);
}

function checkCount(command: Command, args: readonly string[]): void {
  const missing = command.args.find((argument, index) => argument.optional !== true && args.length <= index);
  if (missing !== undefined) throw usage(`${missing.name} is missing`, command);
  if (command.args.at(-1)?.many !== true && args.length > command.args.length) {
    throw usage(`"${args[command.args.length]}" is one argument too many`, command);
  }
}

/** A fault of the command line, with how to use the command. */
export function usage(message: string, command: Command | undefined): BerthError {
  if (command === undefined) return new BerthError('usage', message);
  return new BerthError('usage', message, { detail: { command: command.name, usage: usageLine(command) } });
}

/** `berth logs [OPTIONS] APP` */
export function usageLine(command: Command): string {
  const args = command.args.map((argument) => {
    const name = argument.many === true ? `${argument.name}...` : argument.name;
    return argument.optional === true ? `[${name}]` : name;
  });
  return ['berth', command.name, ...(command.options.length > 0 ? ['[OPTIONS]'] : []), ...args].join(' ');
}

/** A whole number given to an option, or undefined if it was not given. @throws BerthError `usage` */
export function wholeNumber(given: Given, name: string): number | undefined {
  const text = given.values.get(name);
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new BerthError('usage', `--${name}: not a whole number: ${text}`);
  return Number(text);
}
