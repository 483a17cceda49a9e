import { once } from 'node:events';
import type { Duplex, Readable } from 'node:stream';
import { asBerthError } from '../lib/errors.ts';
import { encodeExit, encodeFrames, FrameDecoder, frameStreams, type Frame } from '../lib/frames.ts';
import type { ExecSession } from '../runtime/index.ts';

/** While the command does not read its input, the connection is probed this often: a client that has gone shows. */
const probeMs = 1000;

/**
 * Connects a command to a client that speaks frames (`lib/frames.ts`) until the command has ended. A client that goes
 * away, half or wholly, or breaks the framing, ends the command.
 */
export async function connectExec(connection: Duplex, head: Buffer, session: ExecSession): Promise<void> {
  const gone = new AbortController();
  const leave = (): void => {
    if (gone.signal.aborted) return;
    gone.abort();
    session.kill();
    connection.destroy();
  };
  const stopReading = readInput(connection, head, session, leave);
  connection.once('close', leave);
  connection.once('end', leave);
  if (connection.destroyed) leave();
  // `close` follows.
  connection.on('error', () => undefined);
  // A command may close its input before it was given all of it.
  session.stdin.on('error', () => undefined);
  try {
    const outputs = [
      forward(session.stdout, frameStreams.stdout, connection, gone.signal),
      forward(session.stderr, frameStreams.stderr, connection, gone.signal),
    ];
    await Promise.all(outputs);
    const code = await session.done;
    if (!gone.signal.aborted) connection.write(encodeExit(code));
  } catch (error) {
    if (!gone.signal.aborted) {
      session.kill();
      connection.write(encodeFrames(frameStreams.error, Buffer.from(JSON.stringify(asBerthError(error).toBody()))));
    }
  } finally {
    stopReading();
    connection.off('close', leave);
    connection.off('end', leave);
    if (!gone.signal.aborted) connection.end();
    // What the client still sends is of no use; its end is awaited so that it reads all of the answer.
    connection.resume();
  }
}

async function forward(output: Readable, stream: number, connection: Duplex, signal: AbortSignal): Promise<void> {
  for await (const chunk of output as AsyncIterable<Buffer>) {
    if (signal.aborted) return;
    if (!connection.write(encodeFrames(stream, chunk))) await once(connection, 'drain', { signal });
  }
}

/** Feeds the client's frames to the command's input, at the speed of the command; the result stops it. */
function readInput(connection: Duplex, head: Buffer, session: ExecSession, leave: () => void): () => void {
  const decoder = new FrameDecoder();
  let probe: NodeJS.Timeout | undefined;
  const resume = (): void => {
    clearInterval(probe);
    probe = undefined;
    connection.resume();
  };
  const take = (frame: Frame): void => {
    if (frame.stream === frameStreams.stdinEnd) {
      session.stdin.end();
    } else if (frame.stream !== frameStreams.stdin) {
      leave();
    } else if (session.stdin.writable && !session.stdin.write(frame.data) && probe === undefined) {
      connection.pause();
      probe = setInterval(() => connection.write(encodeFrames(frameStreams.stdout, Buffer.alloc(0))), probeMs);
    }
  };
  const onData = (chunk: Buffer): void => {
    let frames: readonly Frame[];
    try {
      frames = decoder.push(chunk);
    } catch {
      leave();
      return;
    }
    for (const frame of frames) take(frame);
  };
  session.stdin.on('drain', resume);
  session.stdin.on('close', resume);
  connection.on('data', onData);
  if (head.length > 0) onData(head);
  return () => {
    clearInterval(probe);
    connection.off('data', onData);
    session.stdin.off('drain', resume);
    session.stdin.off('close', resume);
  };
}
