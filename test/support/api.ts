import { once } from 'node:events';
import { createReadStream, statSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import type { AppStatus } from '../../src/lifecycle/index.ts';
import type { InstallReport, UpdateReport, UpdateStatus } from '../../src/update/index.ts';

/** An answer of the native API. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** The native API over a daemon's socket, without the start of a `berth` process for each call. */
export class ApiClient {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** One request; a body is the file of this name. Rejects when the daemon is not there or goes away, or the signal aborts. */
  async call(method: string, path: string, file?: string, signal?: AbortSignal): Promise<Answer> {
    const headers: Record<string, string | number> = file === undefined ? {} : { 'Content-Type': 'application/vnd.berth.package', 'Content-Length': statSync(file).size };
    return new Promise<Answer>((resolve, reject) => {
      const outgoing = request({ socketPath: this.#socket, method, path: `/berth/v1${path}`, headers, signal }, (incoming) => {
        resolve(text(incoming).then((body) => ({ status: incoming.statusCode!, body })));
      });
      outgoing.on('error', reject);
      if (file === undefined) outgoing.end();
      else createReadStream(file).pipe(outgoing);
    });
  }

  /** The lines of an answer as they come, until its end or that of the daemon. */
  async *lines(path: string): AsyncGenerator<string, void, undefined> {
    const outgoing = request({ socketPath: this.#socket, path: `/berth/v1${path}` }).end();
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
    const lines = createInterface({ input: incoming });
    lines.on('error', () => {
      lines.close();
    });
    yield* lines;
  }

  async apps(): Promise<readonly AppStatus[]> {
    return (JSON.parse((await this.must('GET', '/apps')).body) as { apps: AppStatus[] }).apps;
  }

  async app(name: string): Promise<AppStatus> {
    return JSON.parse((await this.must('GET', `/apps/${name}`)).body) as AppStatus;
  }

  /** Installs a package; throws the daemon's error. */
  async install(file: string, options: { start: boolean }): Promise<InstallReport> {
    return (await this.installAll(file, options)).installed[0]!;
  }

  /** Applies a payload; throws the daemon's error. */
  async installAll(file: string, options: { start: boolean }): Promise<UpdateReport> {
    const { body } = await this.must('POST', `/install?start=${options.start}`, file);
    const last = JSON.parse(body.trim().split('\n').at(-1)!) as { result?: UpdateReport; error?: { message: string } };
    if (last.result === undefined) throw new Error(`install of ${file}: ${JSON.stringify(last)}`);
    return last.result;
  }

  /** Newest first. */
  async updates(): Promise<readonly UpdateStatus[]> {
    return (JSON.parse((await this.must('GET', '/updates')).body) as { updates: UpdateStatus[] }).updates;
  }

  async must(method: string, path: string, file?: string): Promise<Answer> {
    const answer = await this.call(method, path, file);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
    return answer;
  }
}
