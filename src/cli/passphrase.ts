import { open, readFile } from 'node:fs/promises';
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
  await err(`Passphrase of ${what}: `);
  try {
    return notEmpty(await fromTerminal(), 'what was typed');
  } finally {
    await err('\n');
  }
}

function notEmpty(text: string, where: string): string {
  if (text === '') throw new BerthError('usage', `the passphrase (${where}) is empty`);
  return text;
}

/** A line typed without being shown. */
async function fromTerminal(): Promise<string> {
  await using device = await openTerminal();
  const terminal = new ReadStream(device.fd);
  terminal.setRawMode(true);
  terminal.setEncoding('utf8');
  try {
    let typed = '';
    for await (const text of terminal.iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
      for (const character of text) {
        if (character === '\r' || character === '\n') return typed;
        if (character === '\u0003') throw new BerthError('cancelled', 'no passphrase was given');
        if (character === '\u007f' || character === '\b') typed = typed.slice(0, -1);
        else typed += character;
      }
    }
    return typed;
  } finally {
    terminal.setRawMode(false);
    terminal.pause();
  }
}

async function openTerminal(): Promise<Awaited<ReturnType<typeof open>>> {
  try {
    return await open('/dev/tty', 'r+');
  } catch (error) {
    if (isErrno(error, 'ENXIO', 'ENOENT', 'ENODEV')) throw new BerthError('usage', 'a passphrase is needed, and there is no terminal to ask at; give it in a file or in the environment', { cause: error });
    throw error;
  }
}
