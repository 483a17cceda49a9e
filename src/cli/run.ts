import { asBerthError, BerthError, errorTable } from '../lib/errors.ts';
import { escapeForTerminal } from '../lib/terminal.ts';
import { version } from '../lib/version.ts';
import { parseCommandLine, type Request } from './arguments.ts';
import { Client } from './client.ts';
import type { Command, Context, Given, Io } from './command.ts';
import { commands } from './commands.ts';
import { commandHelp, overview } from './help.ts';
import { defaultHost, parseHost } from './host.ts';

/** Exit status of a program that Ctrl-C ended: 128 and the number of SIGINT. */
const interrupted = 130;

/** Runs one command line and gives its exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted. */
export async function runCommandLine(argv: readonly string[], io: Io): Promise<number> {
  const json = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : argv.length).includes('--json');
  try {
    return await carryOut(parseCommandLine(argv, commands), io);
  } catch (thrown) {
    if (io.signal.aborted) return interrupted;
    const error = asBerthError(thrown);
    // On one line, since with some commands it is the last of several documents.
    if (json) await io.out(`${JSON.stringify(error.toBody())}\n`);
    else await io.err(errorText(error));
    return errorTable[error.code].exit;
  }
}

async function carryOut(request: Request, io: Io): Promise<number> {
  const width = io.outTerminal ? Math.min(io.columns(), 100) : 100;
  switch (request.kind) {
    case 'version':
      await io.out(`berth ${version}\n`);
      return 0;
    case 'help':
      await io.out(request.command === undefined ? overview(commands, width) : commandHelp(request.command, width));
      return 0;
    case 'run':
      return execute(request.command, request.given, io);
  }
}

async function execute(command: Command, given: Given, io: Io): Promise<number> {
  const host = parseHost(given.values.get('host') ?? io.env['BERTH_HOST'] ?? defaultHost);
  const json = given.flags.has('json');
  const context: Context = {
    io,
    json,
    colour: io.outTerminal && (io.env['NO_COLOR'] ?? '') === '',
    width: io.outTerminal ? io.columns() : undefined,
    client: new Client(host, io.env, io.signal),
    localSocket: () => {
      if (host.kind !== 'unix') throw new BerthError('usage', `\`berth ${command.name}\` takes a unix:// host only`);
      return host.path;
    },
    result: (document, text) => io.out(json ? `${JSON.stringify(document, null, 2)}\n` : text()),
  };
  const status = (await command.run(context, given)) ?? 0;
  return io.signal.aborted ? interrupted : status;
}

/** The message, and for wrong usage how to use the command. */
function errorText(error: BerthError): string {
  const lines = error.message.split('\n').map((line) => `berth: ${escapeForTerminal(line)}\n`);
  const detail = error.detail as { readonly usage?: unknown; readonly command?: unknown } | undefined;
  if (error.code === 'usage' && typeof detail?.usage === 'string' && typeof detail.command === 'string') {
    lines.push(`usage: ${detail.usage}\n\`berth help ${detail.command}\` tells more.\n`);
  }
  return lines.join('');
}
