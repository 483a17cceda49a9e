import type { Duplex } from 'node:stream';
import { BerthError, type ErrorBody } from '../../lib/errors.ts';
import { encodeFrames, FrameDecoder, frameStreams } from '../../lib/frames.ts';
import { escapeForTerminal } from '../../lib/terminal.ts';
import type { Command, Io } from '../command.ts';

/** Text of a command as it may go to a terminal: line ends and tabs stay, all other control characters are escaped. */
function forTerminal(decoder: TextDecoder, data: Buffer): string {
  return decoder
    .decode(data, { stream: true })
    .split('\n')
    .map((line) => escapeForTerminal(line, { keepTabs: true }))
    .join('\n');
}

/** Sends standard input on as frames, at the speed of the connection. */
async function sendInput(io: Io, connection: Duplex): Promise<void> {
  for await (const chunk of io.stdin as AsyncIterable<Buffer>) {
    if (connection.destroyed) return;
    if (!connection.write(encodeFrames(frameStreams.stdin, chunk))) await new Promise((resolve) => connection.once('drain', resolve));
  }
  connection.write(encodeFrames(frameStreams.stdinEnd, Buffer.alloc(0)));
}

/** Writes output where it belongs until the command has ended; gives its exit code. */
async function receive(io: Io, connection: Duplex): Promise<number> {
  const decoder = new FrameDecoder();
  const [out, err] = [new TextDecoder(), new TextDecoder()];
  for await (const chunk of connection as AsyncIterable<Buffer>) {
    for (const { stream, data } of decoder.push(chunk)) {
      if (stream === frameStreams.exit) return data.readUInt32BE();
      if (stream === frameStreams.stdout) await io.out(io.outTerminal ? forTerminal(out, data) : data);
      if (stream === frameStreams.stderr) await io.err(io.errTerminal ? forTerminal(err, data) : data);
      if (stream === frameStreams.error) {
        const { error } = JSON.parse(data.toString('utf8')) as ErrorBody;
        throw new BerthError(error.code, error.message);
      }
    }
  }
  throw new BerthError('unavailable', 'the connection to berthd ended before the command did');
}

export const exec: Command = {
  name: 'exec',
  args: [
    { name: 'APP', kind: 'app' },
    { name: 'CMD', many: true, kind: 'shell' },
  ],
  options: [{ name: 'interactive', short: 'i', summary: 'pass standard input on to the command' }],
  passThrough: true,
  summary: 'run a command in a running app',
  help: [
    'Runs a command inside the app\'s container, as the app\'s user and in its environment. Output comes on standard output and standard error; the exit status is the command\'s own (128 + n if signal n ended it). Ctrl-C kills the command.',
    'Options of berth stand before APP: everything after it belongs to the command. With --json the output is collected and given with the exit status as one document, and berth itself ends with 0.',
  ],
  examples: [
    { line: 'berth exec web ls -l /data', meaning: 'a command with options of its own' },
    { line: 'berth exec -i web sh < script.sh', meaning: 'a script from this side' },
  ],
  run: async ({ client, io, json, result }, { args, flags }) => {
    const [app, ...command] = args;
    const connection = await client.upgrade(`/apps/${encodeURIComponent(app!)}/exec`, 'berth-exec', { command });
    const collected = { stdout: '', stderr: '' };
    const collect = (stream: 'stdout' | 'stderr') => {
      const decoder = new TextDecoder();
      return (data: string | Uint8Array): Promise<void> => {
        collected[stream] += typeof data === 'string' ? data : decoder.decode(data, { stream: true });
        return Promise.resolve();
      };
    };
    const target: Io = json ? { ...io, outTerminal: false, errTerminal: false, out: collect('stdout'), err: collect('stderr') } : io;
    const leave = (): void => {
      connection.destroy(new BerthError('cancelled', 'cancelled'));
    };
    io.signal.addEventListener('abort', leave);
    try {
      const sent = flags.has('interactive') ? sendInput(io, connection) : undefined;
      if (sent === undefined) connection.write(encodeFrames(frameStreams.stdinEnd, Buffer.alloc(0)));
      // A fault of the connection shows where its output is read.
      sent?.catch(() => undefined);
      const exitCode = await receive(target, connection);
      if (!json) return exitCode;
      await result({ exitCode, ...collected }, () => '');
      return 0;
    } finally {
      io.signal.removeEventListener('abort', leave);
      connection.destroy();
      io.stdin.destroy();
    }
  },
};
