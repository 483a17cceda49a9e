import { ProtocolError } from './errors.ts';
import { maxAuthLineBytes, maxAuthLines } from './limits.ts';

/**
 * The server's part of authentication (D-Bus specification, "Authentication Protocol"). Any claim is taken, since the
 * socket is the identity: whoever reaches it is the app, whatever user its namespace says it is.
 */
type AuthState = 'waiting-for-auth' | 'waiting-for-data' | 'waiting-for-begin' | 'authenticated';

interface AuthStep {
  readonly state: AuthState;
  readonly reply?: string;
}

const mechanisms = ['EXTERNAL', 'ANONYMOUS'];
const rejected: AuthStep = { state: 'waiting-for-auth', reply: `REJECTED ${mechanisms.join(' ')}` };

/** What a line of the client leads to. @throws ProtocolError if the client goes on without being authenticated */
export function authStep(state: AuthState, line: string, id: string): AuthStep {
  const [command = '', ...words] = line.split(' ');
  const accepted: AuthStep = { state: 'waiting-for-begin', reply: `OK ${id}` };
  switch (command) {
    case 'AUTH': {
      const [mechanism = '', claim] = words;
      if (state !== 'waiting-for-auth' || !mechanisms.includes(mechanism)) return rejected;
      if (claim === undefined) return { state: 'waiting-for-data', reply: 'DATA' };
      return isHex(claim) ? accepted : rejected;
    }
    case 'DATA':
      if (state !== 'waiting-for-data') return { state, reply: 'ERROR nothing was asked for' };
      return isHex(words[0] ?? '') ? accepted : rejected;
    case 'BEGIN':
      if (state !== 'waiting-for-begin') throw new ProtocolError('BEGIN without authentication');
      return { state: 'authenticated' };
    case 'CANCEL':
    case 'ERROR':
      return rejected;
    case 'NEGOTIATE_UNIX_FD':
      return { state, reply: 'ERROR file descriptors are not passed here' };
    default:
      return { state, reply: 'ERROR unknown command' };
  }
}

function isHex(text: string): boolean {
  return /^([0-9A-Fa-f]{2})*$/.test(text);
}

/** One client's way through authentication. */
export class Authentication {
  readonly #id: string;
  readonly #reply: (text: string) => void;
  #state: AuthState = 'waiting-for-auth';
  #input = Buffer.alloc(0);
  #greeted = false;
  #lines = 0;

  /** `id`: 32 hexadecimal digits that name the server. */
  constructor(id: string, reply: (text: string) => void) {
    this.#id = id;
    this.#reply = reply;
  }

  /**
   * Takes what the client sent; gives what is behind `BEGIN`, or undefined if the client is not there yet.
   * @throws ProtocolError
   */
  take(chunk: Buffer): Buffer | undefined {
    this.#input = Buffer.concat([this.#input, chunk]);
    // The first byte is zero: it is there for systems that send credentials with a byte of their own.
    if (!this.#greeted && this.#input.length > 0) {
      if (this.#input[0] !== 0) throw new ProtocolError('the first byte is not zero');
      this.#greeted = true;
      this.#input = this.#input.subarray(1);
    }
    for (let line = this.#line(); line !== undefined; line = this.#line()) {
      const { state, reply } = authStep(this.#state, line, this.#id);
      if (state === 'authenticated') return this.#input;
      this.#state = state;
      if (reply !== undefined) this.#reply(`${reply}\r\n`);
    }
    return undefined;
  }

  #line(): string | undefined {
    const end = this.#input.indexOf('\r\n');
    if (end > maxAuthLineBytes || (end < 0 && this.#input.length > maxAuthLineBytes)) throw new ProtocolError('a line of authentication is too long');
    if (end < 0) return undefined;
    this.#lines += 1;
    if (this.#lines > maxAuthLines) throw new ProtocolError('authentication goes on and on');
    const line = this.#input.toString('latin1', 0, end);
    this.#input = this.#input.subarray(end + 2);
    return line;
  }
}
