import { run } from '../src/lib/process.ts';

/** Runs a command that must succeed. */
export async function succeed(cwd: string, ...[command, ...args]: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await run(command!, args, { cwd });
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
}
