import { spawn } from 'node:child_process';
import { BerthError } from '../lib/errors.ts';

/** A command is asked for one signature; more than this it does not write. */
const maxOutputBytes = 64 * 1024;

/**
 * Runs a command line by sh(1), gives it bytes on standard input, and takes what it writes on standard output. It may
 * ask for a PIN at the terminal; what it says on standard error is shown.
 * @throws BerthError `usage` if it fails
 */
export async function runKeyCommand(command: string, input: Uint8Array, signal: AbortSignal): Promise<Uint8Array> {
  const child = spawn('sh', ['-c', command], { stdio: ['pipe', 'pipe', 'inherit'], signal });
  const parts: Buffer[] = [];
  let size = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= maxOutputBytes) parts.push(chunk);
  });
  // A command that does not read all of it closes the pipe; its exit status tells the story.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) throw new BerthError('usage', `the key command ended with exit status ${code ?? 'of a signal'}; it must write the signature on standard output and end with 0`);
  if (size > maxOutputBytes) throw new BerthError('usage', `the key command wrote ${size} bytes, which is no signature`);
  return Buffer.concat(parts);
}
