import { createReadStream, existsSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { BerthError, type ErrorBody } from '../../src/lib/errors.ts';
import { run } from '../../src/lib/process.ts';
import type { AppStatus } from '../../src/lifecycle/index.ts';
import type { UpdateProgress, UpdateStatus } from '../../src/update/index.ts';
import { until } from '../support/berthd.ts';
import type { Act } from './operation.ts';

/** A daemon as the operations use it: requests over its socket, without a `berth` process for each. */
export class Device {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /**
   * Does what is asked for; resolves when it was acknowledged, also where a refusal is the answer that is wanted.
   * @param packages directory in which the packages are
   */
  async act(act: Act, packages: string, tell: (phase: string) => void = () => undefined): Promise<void> {
    if ('remove' in act) {
      await this.#must('DELETE', `/apps/${act.remove}?purge=${act.purge}`);
      return;
    }
    if ('come' in act) {
      await until(async () => (await this.apps()).map(({ name }) => name).toSorted().join() === act.come.join());
      await this.settled();
      return;
    }
    const answer = await this.#send('POST', `/install?start=${act.start ?? true}`, await payloadOf(act.install, packages));
    let last: Partial<UpdateProgress> & Partial<ErrorBody> = {};
    for await (const line of createInterface({ input: answer })) {
      last = JSON.parse(line) as typeof last;
      if (last.phase !== undefined) tell(last.phase);
    }
    const code = last.error?.code;
    if (code !== act.refused) throw new Error(`install of ${act.install.join(', ')} ended with ${code ?? 'success'}, not ${act.refused ?? 'success'}: ${JSON.stringify(last)}`);
  }

  async apps(): Promise<readonly AppStatus[]> {
    return (await this.#get<{ readonly apps: readonly AppStatus[] }>('/apps')).apps;
  }

  async updates(): Promise<readonly UpdateStatus[]> {
    return (await this.#get<{ readonly updates: readonly UpdateStatus[] }>('/updates')).updates;
  }

  /** Resolves when no update is under way. */
  async settled(): Promise<void> {
    await until(async () => (await this.updates()).every(({ outcome }) => outcome !== undefined));
  }

  async #get<T>(path: string): Promise<T> {
    return JSON.parse(await this.#must('GET', path)) as T;
  }

  async #must(method: string, path: string): Promise<string> {
    const answer = await this.#send(method, path);
    const body = Buffer.concat(await answer.toArray() as Buffer[]).toString();
    if (answer.statusCode! >= 300) throw new BerthError('internal', `${method} ${path}: ${answer.statusCode} ${body}`);
    return body;
  }

  async #send(method: string, path: string, file?: string): Promise<IncomingMessage> {
    const headers = file === undefined ? {} : { 'Content-Type': 'application/vnd.berth.package' };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const outgoing = request({ socketPath: this.#socket, method, path: `/berth/v1${path}`, headers }, resolve);
    outgoing.on('error', reject);
    if (file === undefined) outgoing.end();
    else createReadStream(file).pipe(outgoing);
    return promise;
  }
}

/** The file of a payload: the package, or an archive of several. */
async function payloadOf(names: readonly string[], packages: string): Promise<string> {
  const files = names.map((name) => `${name}.ipk`);
  if (files.length === 1) return join(packages, files[0]!);
  const archive = join(packages, `${names.join('+')}.tar`);
  if (!existsSync(archive)) {
    const { code, stderr } = await run('tar', ['-C', packages, '-cf', archive, ...files]);
    if (code !== 0) throw new Error(`tar: ${stderr}`);
  }
  return archive;
}
