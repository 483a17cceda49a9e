/** For tests: buses served in a directory of their own, and a client that can also misbehave. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { HandClock } from '../lib/handclock.ts';
import { serveAppBuses } from './buses.ts';
import { appName, appPath } from './contract.ts';
import { FakeLifecycle, FakeUpdates } from './fakes.ts';
import { MessageFrames } from './frames.ts';
import { decodeBody, decodeMessage, encodeMessage, type OutgoingMessage, type ReceivedMessage } from './message.ts';
import type { AppBuses } from './types.ts';
import type { Value } from './value.ts';

export interface Served {
  readonly directory: string;
  readonly lifecycle: FakeLifecycle;
  readonly updates: FakeUpdates;
  readonly clock: HandClock;
  readonly journal: string[];
  readonly buses: AppBuses;
  /** A client of the app's bus, authenticated unless told otherwise. */
  connect(app?: string, options?: { readonly authenticate?: boolean }): Promise<Client>;
  /** Serves the same directory anew, as the next daemon does. */
  restart(): Promise<Served>;
}

/** Buses for `web`, which has a watchdog, and `other`, which has none. */
export async function serve(t: TestContext, names: readonly string[] = ['web', 'other']): Promise<Served> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-bus-'));
  t.after(() => {
    rmSync(directory, { recursive: true });
  });
  return serveIn(t, directory, names);
}

async function serveIn(t: TestContext, directory: string, names: readonly string[]): Promise<Served> {
  const lifecycle = new FakeLifecycle();
  const updates = new FakeUpdates();
  for (const name of names) lifecycle.apps.set(name, { version: '1.0', ...(name === 'web' ? { watchdogMs: 5000 } : {}) });
  const clock = new HandClock();
  const journal: string[] = [];
  const apps = join(directory, 'apps');
  const buses = await serveAppBuses({ lifecycle, updates, ownerOf: () => process.getuid!(), directory: apps, clock, journal: (level, message) => journal.push(`${level}: ${message}`) });
  // Tests that close it themselves close it twice.
  t.after(() => buses.close());
  return {
    directory: apps,
    lifecycle,
    updates,
    clock,
    journal,
    buses,
    connect: async (app = 'web', options = {}) => {
      const client = new Client(await connected(join(apps, app, 'bus')));
      t.after(() => {
        client.socket.destroy();
      });
      if (options.authenticate ?? true) await client.authenticate();
      return client;
    },
    restart: async () => {
      await buses.close();
      return serveIn(t, directory, names);
    },
  };
}

async function connected(path: string): Promise<Socket> {
  const socket = connect(path);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return socket;
}

/** A field that is undefined is left out, where there would be another. */
export type Call = Partial<Omit<OutgoingMessage, 'fields'>> & { readonly fields?: { readonly [N in keyof OutgoingMessage['fields']]?: OutgoingMessage['fields'][N] | undefined } };

/** A client that reads one thing after the other. */
export class Client {
  readonly socket: Socket;
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  readonly #frames = new MessageFrames();
  #text: string | undefined = '';
  #wake = (): void => undefined;
  #serial = 0;
  #gone = false;

  constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#gone = true;
        this.#wake();
        resolve();
      });
    });
    // Being cut off is what many tests are about.
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      if (this.#text === undefined) this.#frames.push(chunk);
      else this.#text += chunk.toString('latin1');
      this.#wake();
    });
  }

  async authenticate(): Promise<void> {
    this.socket.write('\0AUTH EXTERNAL 30\r\n');
    await this.#until(() => this.#text!.includes('OK ') && this.#text!.endsWith('\r\n'));
    this.#text = undefined;
    this.socket.write('BEGIN\r\n');
  }

  /** The bytes of a call; by default one without arguments to the app's object. */
  message({ fields = {}, ...rest }: Call): Buffer {
    this.#serial += 1;
    const all = { path: appPath, interface: appName, destination: appName, ...fields };
    const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    return encodeMessage({ type: 'call', serial: this.#serial, signature: '', body: [], ...rest, fields: given });
  }

  send(call: Call): void {
    this.socket.write(this.message(call));
  }

  /** The next message that comes. Rejects if the connection ends before. */
  async next(): Promise<ReceivedMessage> {
    let bytes: Buffer | undefined;
    await this.#until(() => {
      bytes ??= this.#frames.next();
      return bytes !== undefined;
    });
    return decodeMessage(bytes!);
  }

  /** Values of the answer, or name and text of the error. */
  async call(call: Call): Promise<readonly Value[]> {
    this.send(call);
    const answer = await this.next();
    const values = decodeBody(answer);
    return answer.type === 'error' ? [answer.fields.errorName!, ...values] : values;
  }

  /** {@link call} of a member of the app's object. */
  async app(member: string, signature = '', body: readonly Value[] = []): Promise<readonly Value[]> {
    return this.call({ fields: { member }, signature, body });
  }

  async property(name: string): Promise<Value> {
    const [value] = await this.call({ fields: { interface: 'org.freedesktop.DBus.Properties', member: 'Get' }, signature: 'ss', body: [appName, name] });
    return value!;
  }

  async #until(check: () => boolean): Promise<void> {
    while (!check()) {
      if (this.#gone) throw new Error('the connection was cut');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

