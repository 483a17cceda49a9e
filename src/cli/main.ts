import type { Io } from './command.ts';
import { runCommandLine } from './run.ts';

/** A writer that waits until there is room for more. */
function writerTo(stream: NodeJS.WriteStream): (text: string | Uint8Array) => Promise<void> {
  return async (text) => {
    if (stream.write(text)) return;
    await new Promise<void>((resolve) => {
      stream.once('drain', resolve);
    });
  };
}

function processIo(): Io {
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      interrupt.abort();
    });
  }
  const { stdout, stderr } = process;
  for (const stream of [stdout, stderr]) {
    // Whoever read our output has had enough (`| head`): there is nothing left to do.
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit();
    });
  }
  return {
    // Opened at the first use: most commands do not read it.
    get stdin() {
      return process.stdin;
    },
    env: process.env,
    out: writerTo(stdout),
    err: writerTo(stderr),
    outTerminal: stdout.isTTY,
    errTerminal: stderr.isTTY,
    columns: () => stdout.columns ?? stderr.columns ?? 80,
    rows: () => stdout.rows ?? 24,
    now: () => Date.now(),
    signal: interrupt.signal,
  };
}

void (async () => {
  process.exitCode = await runCommandLine(process.argv.slice(2), processIo());
})();
