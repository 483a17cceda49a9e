import type { Readable } from 'node:stream';
import type { Client } from './client.ts';

/** What a command needs of the process it runs in; tests give their own. */
export interface Io {
  readonly stdin: Readable;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Writes to standard output; resolves when there is room for more. */
  readonly out: (text: string | Uint8Array) => Promise<void>;
  readonly err: (text: string | Uint8Array) => Promise<void>;
  readonly outTerminal: boolean;
  readonly errTerminal: boolean;
  /** Of the terminal, in characters. */
  readonly columns: () => number;
  readonly rows: () => number;
  /** Wall clock, milliseconds since 1970. */
  readonly now: () => number;
  /** Aborts at Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
}

/** What the command line said. */
export interface Given {
  readonly flags: ReadonlySet<string>;
  readonly values: ReadonlyMap<string, string>;
  readonly args: readonly string[];
}

/** What a command runs with. */
export interface Context {
  readonly io: Io;
  readonly json: boolean;
  /** True if standard output takes colours. */
  readonly colour: boolean;
  /** Width to fit on a terminal; undefined elsewhere. */
  readonly width: number | undefined;
  /** Of the daemon on the host that was named; connects at the first request. */
  readonly client: Client;
  /** Path of the local socket, for `dial-stdio`. @throws BerthError `usage` for a host that is not local. */
  readonly localSocket: () => string;
  /** The result: as a JSON document with `--json`, else as text. */
  readonly result: (document: unknown, text: () => string) => Promise<void>;
}

export interface Option {
  /** Without the leading `--`. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** Name of the option's value; without it the option is a flag. */
  readonly value?: string;
  readonly summary: string;
}

export interface Argument {
  readonly name: string;
  readonly optional?: true;
  /** Takes all that follow; only the last argument. */
  readonly many?: true;
  /** What completion offers. */
  readonly kind: 'app' | 'command' | 'file' | 'directory' | 'text' | 'shell' | 'action';
}

/** One command: parsing, help, completion and the manual page all come from this declaration. */
export interface Command {
  readonly name: string;
  readonly args: readonly Argument[];
  readonly options: readonly Option[];
  /** One line, no full stop. */
  readonly summary: string;
  /** Paragraphs. */
  readonly help: readonly string[];
  readonly examples: readonly { readonly line: string; readonly meaning: string }[];
  /** Left out of help, completion and the manual. */
  readonly hidden?: true;
  /** What follows the first argument belongs to it, options too. */
  readonly passThrough?: true;
  /** Gives the exit status if it is not 0. */
  readonly run: (context: Context, given: Given) => Promise<number | void>;
}

/** Options that every command takes. */
export const globalOptions: readonly Option[] = [
  { name: 'host', value: 'HOST', summary: 'the device: unix:///PATH or ssh://[USER@]DEVICE[:PORT]; default $BERTH_HOST, else unix:///run/berth/berth.sock' },
  { name: 'json', summary: 'the result, or {"error":{"code","message","detail"}}, as JSON on standard output' },
  { name: 'help', short: 'h', summary: 'how to use the command' },
];
