import type { TestContext } from 'node:test';
import { errorTable, type ErrorBody } from '../../src/lib/errors.ts';
import type { RunResult } from '../../src/lib/process.ts';
import type { AppStatus } from '../../src/lifecycle/index.ts';
import type { LogLine } from '../../src/runtime/index.ts';
import type { InstallReport } from '../../src/update/index.ts';
import { ApiClient } from './api.ts';
import { startBerthd, until, type TestDaemon, type TestDaemonOptions } from './berthd.ts';
import { makePackage, type PackageOptions } from './packages.ts';

/** A daemon under test with what scenarios do to it again and again. */
export interface Device {
  readonly daemon: TestDaemon;
  readonly api: ApiClient;
  /** Makes a package, installs it and starts its app; by default one that is killed when it is stopped. */
  install(options: PackageOptions): Promise<InstallReport>;
  /** Makes a package and gives the error with which it is refused. */
  refusal(options: PackageOptions): Promise<ErrorBody['error']>;
  /** Runs a shell script in an app. */
  inside(app: string, script: string): Promise<RunResult>;
  /** An app's output so far. */
  logged(app: string): Promise<readonly LogLine[]>;
  /** Waits until an app is as `check` says. */
  settled(app: string, check: (status: AppStatus) => boolean): Promise<AppStatus>;
}

/** Starts a daemon for this test; it is taken away when the test ends. */
export async function startDevice(t: TestContext, options: TestDaemonOptions = {}): Promise<Device> {
  const daemon = await startBerthd(t, options);
  const api = new ApiClient(daemon.socket);
  return {
    daemon,
    api,
    install: async (app) => api.install(await makePackage(daemon.directory, { ...app, annotations: { 'stop-timeout': '0s', ...app.annotations } }), { start: true }),
    refusal: async (app) => refusalOf(api, await makePackage(daemon.directory, app)),
    inside: (app, script) => daemon.berth('exec', app, '/bin/sh', '-c', script),
    logged: async (app) => {
      const { body } = await api.must('GET', `/apps/${app}/logs`);
      return body.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as LogLine);
    },
    settled: (app, check) =>
      until(async () => {
        const status = await api.app(app);
        return check(status) && status;
      }),
  };
}

/** The error with which a package is refused; fails if it is taken, or refused in another way than with an error document. */
export async function refusalOf(api: ApiClient, file: string): Promise<ErrorBody['error']> {
  const { status, body } = await api.call('POST', '/install?start=false', file);
  const { error } = JSON.parse(body.trim().split('\n').at(-1)!) as Partial<ErrorBody>;
  if (error === undefined) throw new Error(`${file} was not refused: ${body}`);
  // Once progress was sent, the status is 200 and the error is the last line.
  if (status !== 200 && status !== errorTable[error.code].http) throw new Error(`${file}: HTTP status ${status} with ${body}`);
  return error;
}
