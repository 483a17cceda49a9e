import { BerthError } from '../lib/errors.ts';

export const defaultHost = 'unix:///run/berth/berth.sock';

/** Where a daemon is to be reached. */
export type Host =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'ssh'; readonly device: string; readonly user?: string; readonly port?: number };

const namePattern = /^[A-Za-z0-9_][A-Za-z0-9._-]*$/;
const addressPattern = /^[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?$/;

/**
 * A host as it is given to `--host` or in `BERTH_HOST`. Nothing in it can become an option of ssh.
 * @throws BerthError `usage`
 */
export function parseHost(text: string): Host {
  if (text.startsWith('unix://')) {
    const path = text.slice('unix://'.length);
    if (!path.startsWith('/')) throw wrong(text, 'the path of the socket must be absolute');
    return { kind: 'unix', path };
  }
  if (!text.startsWith('ssh://')) throw wrong(text, 'it must begin with unix:// or ssh://');
  const match = /^(?:([^@]*)@)?(\[[^\]]*\]|[^:/@]*)(?::(\d+))?\/?$/.exec(text.slice('ssh://'.length));
  if (match === null) throw wrong(text, 'expected ssh://[USER@]DEVICE[:PORT]');
  const [, user, name, port] = match;
  const bracketed = name!.startsWith('[');
  const device = bracketed ? name!.slice(1, -1) : name!;
  if (!(bracketed ? addressPattern : namePattern).test(device)) throw wrong(text, `"${device}" is not the name or address of a device`);
  if (user !== undefined && !namePattern.test(user)) throw wrong(text, `"${user}" is not the name of a user`);
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65_535)) throw wrong(text, `${port} is not a port`);
  return { kind: 'ssh', device, ...(user !== undefined && { user }), ...(port !== undefined && { port: Number(port) }) };
}

function wrong(text: string, why: string): BerthError {
  return new BerthError('usage', `host "${text}": ${why}`);
}

/**
 * The program and arguments that connect to a device's daemon over ssh.
 * @param command `ssh`, or what stands in `BERTH_SSH_COMMAND`: a program, perhaps with arguments, separated by spaces.
 */
export function sshCommand(host: Host & { readonly kind: 'ssh' }, command: string): readonly string[] {
  const program = command.split(' ').filter((part) => part !== '');
  const port = host.port === undefined ? [] : ['-p', String(host.port)];
  const destination = host.user === undefined ? host.device : `${host.user}@${host.device}`;
  return [...program, '-T', ...port, '--', destination, 'berth', 'dial-stdio'];
}
