import type { Socket } from 'node:net';
import type { Clock } from '../lib/clock.ts';
import type { Journal } from '../lib/journal.ts';
import { Authentication } from './auth.ts';
import { unitsOf } from './budget.ts';
import { answererOf, busName, clientConnection } from './bus-object.ts';
import { errorAnswer, ProtocolError } from './errors.ts';
import { MessageFrames } from './frames.ts';
import { authenticationMs, maxOutboxBytes } from './limits.ts';
import { decodeMessage, encodeMessage, noReplyExpected, type OutgoingMessage, type ReceivedMessage } from './message.ts';
import type { Dispatcher } from './serve.ts';

/** What a connection needs of the bus it is on. */
export interface ConnectionHost {
  readonly app: string;
  /** 32 hexadecimal digits that name the server. */
  readonly id: string;
  readonly dispatcher: Dispatcher;
  readonly clock: Clock;
  readonly journal: Journal;
  /** Takes units of work off the app's budget. False: no more now; `resume` is called when there is. */
  spend(units: number): boolean;
  /** The client is authenticated: from now on it gets signals. */
  joined(): void;
}

export type Outgoing = Omit<OutgoingMessage, 'serial'>;

/** One client of an app's bus. Whatever it sends, the worst that happens is that it is cut off. */
export class Connection {
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #frames = new MessageFrames();
  /** Undefined once the client is authenticated. */
  #authentication: Authentication | undefined;
  readonly #stopWaiting: () => void;
  #serial = 0;

  constructor(socket: Socket, host: ConnectionHost) {
    this.#socket = socket;
    this.#host = host;
    this.#authentication = new Authentication(host.id, (text) => {
      this.#write(Buffer.from(text));
    });
    this.#stopWaiting = host.clock.after(authenticationMs, () => {
      this.cut('it did not authenticate in time');
    });
    socket.on('data', (chunk: Buffer) => {
      this.#guarded(() => {
        // Even if the budget is used up, what was read is worked off when there is more.
        const more = host.spend(unitsOf(chunk.length));
        this.#receive(chunk);
        if (more) this.#work();
      });
    });
    // A client may go at any moment; `close` follows.
    socket.on('error', () => undefined);
    socket.once('close', this.#stopWaiting);
  }

  get joined(): boolean {
    return this.#authentication === undefined;
  }

  /** Reads nothing until {@link resume}. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
    this.#guarded(() => {
      this.#work();
    });
  }

  /** Sends a message, or cuts the client off if too much waits for it already. */
  send(message: Outgoing): void {
    this.#serial = (this.#serial % 0xffff_ffff) + 1;
    this.#write(encodeMessage({ ...message, serial: this.#serial, fields: { destination: clientConnection, ...message.fields } }));
  }

  cut(why: string): void {
    this.#host.journal('debug', `${this.#host.app}: a client of its update bus was cut off: ${why}`);
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    if (this.#authentication === undefined) {
      this.#frames.push(chunk);
      return;
    }
    const rest = this.#authentication.take(chunk);
    if (rest === undefined) return;
    this.#authentication = undefined;
    this.#stopWaiting();
    this.#frames.push(rest);
    this.#host.joined();
  }

  /** Answers what has come, as far as the budget goes. */
  #work(): void {
    while (!this.#socket.destroyed) {
      const bytes = this.#frames.next();
      if (bytes === undefined) return;
      const more = this.#host.spend(unitsOf(bytes.length));
      this.#answer(decodeMessage(bytes));
      if (!more) return;
    }
  }

  /** Answers and signals are nothing to us; neither are calls to others, who are not there. */
  #answer(message: ReceivedMessage): void {
    if (message.type !== 'call') return;
    const reply = this.#outcome(message);
    if ((message.flags & noReplyExpected) === 0) this.send(reply);
  }

  #outcome(message: ReceivedMessage): Outgoing {
    const { app, dispatcher, journal } = this.#host;
    let sender = busName;
    try {
      sender = answererOf(message.fields.destination);
      const { signature, body } = dispatcher.call(message);
      return { type: 'return', flags: noReplyExpected, fields: { replySerial: message.serial, sender }, signature, body };
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      const { name, message: text, fault } = errorAnswer(error);
      if (fault !== undefined) journal('error', `${app}: ${message.fields.member} on its update bus failed: ${fault}`);
      return { type: 'error', flags: noReplyExpected, fields: { replySerial: message.serial, errorName: name, sender }, signature: 's', body: [text] };
    }
  }

  #write(bytes: Buffer): void {
    if (this.#socket.destroyed) return;
    if (this.#socket.writableLength + bytes.length > maxOutboxBytes) {
      this.cut('it does not read');
      return;
    }
    this.#socket.write(bytes);
  }

  /** No fault reaches the loop of events, where it would end the daemon. */
  #guarded(task: () => void): void {
    try {
      task();
    } catch (error) {
      if (!(error instanceof ProtocolError)) this.#host.journal('error', `${this.#host.app}: its update bus failed: ${String(error)}`);
      this.cut(error instanceof Error ? error.message : String(error));
    }
  }
}
