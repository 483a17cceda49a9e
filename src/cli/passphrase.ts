import { openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { ReadStream } from 'node:tty';
import { BerthError, isErrno } from '../lib/errors.ts';
import type { Io } from './command.ts';

/** Where a passphrase may come from: never the command line, which others see in the list of processes. */
export interface PassphraseSource {
  /** File whose first line it is. */
  readonly file: string | undefined;
  /** Environment variable. */
  readonly variable: string;
  /** What it is for, in the prompt. */
  readonly what: string;
}

/** From the file, else the variable, else the person at the terminal. @throws BerthError `usage`, `cancelled` */
export async function readPassphrase({ file, variable, what }: PassphraseSource, { env, err }: Pick<Io, 'env' | 'err'>): Promise<string> {
  if (file !== undefined) return notEmpty((await readFile(file, 'utf8')).split(/\r?\n/, 1)[0]!, file);
  const given = env[variable];
  if (given !== undefined) return notEmpty(given, `$${variable}`);
  const terminal = openTerminal();
  try {
    terminal.setRawMode(true);
    await err(`Passphrase of ${what}: `);
    return notEmpty(await readLine(terminal), 'what was typed');
  } finally {
    terminal.setRawMode(false);
    terminal.destroy();
    await err('\n');
  }
}

function notEmpty(text: string, where: string): string {
  if (text === '') throw new BerthError('usage', `the passphrase (${where}) is empty`);
  return text;
}

/** A line from a terminal in raw mode, which shows nothing of it. */
async function readLine(terminal: ReadStream): Promise<string> {
  let typed = '';
  terminal.setEncoding('utf8');
  for await (const text of terminal.iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
    for (const character of text) {
      if (character === '\r' || character === '\n') return typed;
      if (character === '\u0003') throw new BerthError('cancelled', 'no passphrase was given');
      if (character === '\u007f' || character === '\b') typed = typed.slice(0, -1);
      else typed += character;
    }
  }
  return typed;
}

function openTerminal(): ReadStream {
  try {
    return new ReadStream(openSync('/dev/tty', 'r+'));
  } catch (error) {
    if (isErrno(error, 'ENXIO', 'ENOENT', 'ENODEV')) throw new BerthError('usage', 'a passphrase is needed, and there is no terminal to ask at; give it in a file or in the environment', { cause: error });
    throw error;
  }
}
