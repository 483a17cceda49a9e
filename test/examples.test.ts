/** The examples as real applications: each does what its recipe says, in real containers. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, suite, test } from 'node:test';
import { buildExamples } from '../examples/build.ts';
import type { AppStatus } from '../src/lifecycle/index.ts';
import { run } from '../src/lib/process.ts';
import { startBerthd, until, whyNoContainers, type TestDaemon } from './support/berthd.ts';

const skip = whyNoContainers();

async function logOf(daemon: TestDaemon, app: string): Promise<string> {
  return (await daemon.berth('logs', app)).stdout;
}

/** The body of an answer over a unix socket. */
async function fetchText(socketPath: string, path: string): Promise<string> {
  const [response] = (await once(get({ socketPath, path }), 'response')) as [IncomingMessage];
  return text(response);
}

function count(log: string, pattern: RegExp): number {
  return log.match(pattern)?.length ?? 0;
}

suite('the examples', skip === undefined ? { timeout: 300_000 } : { skip }, () => {
  let packages: ReadonlyMap<string, string>;
  const directory = mkdtempSync('/var/tmp/berth-examples-');
  before(async () => {
    packages = await buildExamples(directory);
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  test('are packed into the same bytes again', async () => {
    const again = await buildExamples(join(directory, 'again'), { only: ['mosquitto'] });
    assert.equal((await run('cmp', [packages.get('mosquitto')!, again.get('mosquitto')!])).code, 0);
  });

  test('hello-world, also as a bundle of Mbed Linux OS, prints ten lines and ends', async (t) => {
    const daemon = await startBerthd(t);
    for (const name of ['hello-world', 'mbl-hello-world']) await daemon.json('install', packages.get(name)!);
    for (const name of ['hello-world', 'mbl-hello-world']) {
      const status = await until(async () => {
        const found = await daemon.json<AppStatus>('show', name);
        return found.state === 'stopped' && found;
      });
      assert.equal(status.lastExit?.exitCode, 0);
      assert.equal(count(await logOf(daemon, name), /^Hello, world: line \d+ of 10$/gm), 10);
    }
  });

  test('telemetry is refused without mosquitto, sends to it, and finds it again after it was killed', async (t) => {
    const daemon = await startBerthd(t);
    const refused = await daemon.berth('install', packages.get('telemetry')!);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /mosquitto \(>= 2\.0\)/);
    await daemon.json('install', packages.get('mosquitto')!);
    await daemon.json('install', packages.get('telemetry')!);
    await until(async () => count(await logOf(daemon, 'telemetry'), /^sent reading/gm) >= 2);
    const { instance } = await daemon.json<AppStatus>('show', 'mosquitto');
    process.kill(instance!.pid, 'SIGKILL');
    await until(async () => (await daemon.json<AppStatus>('show', 'mosquitto')).restarts === 1);
    const sent = count(await logOf(daemon, 'telemetry'), /^sent reading/gm);
    await until(async () => count(await logOf(daemon, 'telemetry'), /^sent reading/gm) > sent + 1);
    await until(async () => (await daemon.json<AppStatus>('show', 'mosquitto')).health === 'healthy');
  });

  test('webapp answers on its exported socket and keeps its data over a restart', async (t) => {
    const daemon = await startBerthd(t);
    await daemon.json('install', packages.get('webapp')!);
    const visit = async (): Promise<string> => {
      const answer = await until(async () => {
        const { code, stdout } = await daemon.berth('exec', 'webapp', 'wget', '-q', '-O', '-', 'http://127.0.0.1:8080/');
        return code === 0 && stdout;
      });
      return /Visit (\d+)/.exec(answer)![1]!;
    };
    assert.equal(await visit(), '1');
    await daemon.json('restart', 'webapp');
    assert.equal(await visit(), '2');
    await until(async () => (await daemon.json<AppStatus>('show', 'webapp')).health === 'healthy');
    const socket = join(daemon.runDir, 'exchange/webapp/web/http.sock');
    assert.match(await fetchText(socket, '/packages/'), /typescript/);
    assert.match(await fetchText(socket, '/..%2f..%2fsrv/'), /404/);
  });

  test('crashy is restarted four times and then counts as failed', async (t) => {
    const daemon = await startBerthd(t);
    await daemon.json('install', packages.get('crashy')!);
    const status = await until(async () => {
      const found = await daemon.json<AppStatus>('show', 'crashy');
      return found.state === 'failed' && found;
    });
    assert.equal(status.restarts, 4);
    assert.equal(status.lastExit?.exitCode, 3);
    assert.equal(count(await logOf(daemon, 'crashy'), /^crashy: started/gm), 5);
  });
});
