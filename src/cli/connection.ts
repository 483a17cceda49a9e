import { spawn, type ChildProcess } from 'node:child_process';
import { Duplex } from 'node:stream';
import { BerthError, isErrno } from '../lib/errors.ts';
import { sshCommand, type Host } from './host.ts';

/** A new connection to a host's daemon. Its faults are {@link BerthError}s that say what to do. */
export function openConnection(host: Host, env: Readonly<Record<string, string | undefined>>): Duplex {
  if (host.kind === 'unix') return process.getBuiltinModule('node:net').connect(host.path);
  return new SshConnection(sshCommand(host, env['BERTH_SSH_COMMAND'] ?? 'ssh'), host.device);
}

/** What a fault of a connection means to the person at the keyboard. */
export function explain(host: Host, error: unknown): BerthError {
  if (error instanceof BerthError) return error;
  const cause = { cause: error };
  if (host.kind === 'unix') {
    const start = 'start it with `systemctl start berthd`, or name another with --host';
    if (isErrno(error, 'ENOENT')) return new BerthError('unavailable', `berthd is not running (no socket at ${host.path}); ${start}`, cause);
    if (isErrno(error, 'ECONNREFUSED')) return new BerthError('unavailable', `berthd is not running (nobody answers at ${host.path}); ${start}`, cause);
    if (isErrno(error, 'EACCES', 'EPERM')) {
      return new BerthError('denied', `no permission to use ${host.path}; become root, or join the group that owns it (\`ls -l ${host.path}\`)`, cause);
    }
  }
  return new BerthError('unavailable', `the connection to berthd was lost: ${(error as Error).message}; \`journalctl -u berthd\` may say why`, cause);
}

/** Most of what ssh says that is kept for a message. */
const maxComplaint = 4096;

/** A connection whose other end is `berth dial-stdio` on the device: one ssh for each. */
class SshConnection extends Duplex {
  readonly #child: ChildProcess;
  readonly #device: string;
  #complaint = '';

  constructor([program, ...args]: readonly string[], device: string) {
    super();
    this.#device = device;
    this.#child = spawn(program!, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const { stdin, stdout, stderr } = this.#child;
    stdout!.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) stdout!.pause();
    });
    stderr!.on('data', (chunk: Buffer) => {
      this.#complaint = (this.#complaint + chunk.toString('utf8')).slice(0, maxComplaint);
    });
    // The exit status tells the story.
    stdin!.on('error', () => undefined);
    this.#child.on('error', (error) => {
      this.destroy(isErrno(error, 'ENOENT') ? new BerthError('unavailable', `program not found: ${program}; it is needed for ssh:// hosts`) : error);
    });
    this.#child.on('close', (code) => {
      if (code === 0) this.push(null);
      else this.destroy(this.#fault(code));
    });
  }

  override _read(): void {
    this.#child.stdout!.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    // If the program has gone, its exit status is told instead.
    this.#child.stdin!.write(chunk, () => {
      callback();
    });
  }

  override _final(callback: (error?: Error | null) => void): void {
    this.#child.stdin!.end();
    callback();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#child.kill('SIGTERM');
    callback(error);
  }

  // What Node's HTTP client expects of a socket.
  setTimeout(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  #fault(code: number | null): BerthError {
    const said = this.#complaint.trim();
    const told = said === '' ? '' : `: ${said}`;
    if (code === 255) return new BerthError('unavailable', `cannot reach ${this.#device} over ssh${told}; try \`ssh ${this.#device}\``);
    if (code === 127) return new BerthError('unavailable', `berth is not installed on ${this.#device}, or not in the PATH of a command run over ssh${told}`);
    // dial-stdio on the device says itself what is wrong.
    return new BerthError('unavailable', `${this.#device}: ${said === '' ? `\`berth dial-stdio\` ended with ${code}` : said.replace(/^berth: /, '')}`);
  }
}
