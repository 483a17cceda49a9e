/** `npm start` as a newcomer meets it: the whole tour, and every way to end it. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { suite, test, type TestContext } from 'node:test';
import { territory } from '../scripts/demo/place.ts';
import { findRemains } from '../scripts/demo/remains.ts';
import { projectRoot, whyNoContainers } from './support/berthd.ts';

const skip = whyNoContainers();

/** A demonstration, and all that it has printed. */
class Demo {
  readonly process: ChildProcess;
  readonly #exited: Promise<unknown>;
  #changed = Promise.withResolvers<void>();
  text = '';

  constructor(t: TestContext, ...args: string[]) {
    this.process = spawn(process.execPath, [join(projectRoot, 'scripts/demo.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#exited = once(this.process, 'close');
    const wake = (chunk?: Buffer | number | null): void => {
      if (Buffer.isBuffer(chunk)) this.text += chunk.toString();
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    };
    for (const stream of [this.process.stdout!, this.process.stderr!]) stream.on('data', wake);
    this.process.on('exit', wake);
    t.after(() => this.end('SIGTERM'));
  }

  /** Resolves when it has printed `words`. */
  async says(words: string): Promise<void> {
    while (!this.text.includes(words)) {
      assert.equal(this.process.exitCode, null, this.text);
      await this.#changed.promise;
    }
  }

  /** Ends it with a signal, or waits until it ends by itself; gives its exit code. */
  async end(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal !== undefined) this.process.kill(signal);
    await this.#exited;
    return this.process.exitCode;
  }
}

// There is one place for the demonstration on a machine, so these come one after the other.
suite('the demonstration', { concurrency: false, ...(skip === undefined ? { timeout: 300_000 } : { skip }) }, () => {
  test('shows the whole tour and leaves nothing', async (t) => {
    const demo = new Demo(t, '--once');
    assert.equal(await demo.end(), 0, demo.text);
    assert.match(demo.text, /telemetry needs what this device does not have: mosquitto/);
    assert.match(demo.text, /berth: telemetry 1\.0\.0: .*CN=stranger.*no authority of this device stands behind it; only maker may sign/);
    assert.match(demo.text, /CAP_AUDIT_WRITE +- +degraded/);
    assert.match(demo.text, /hello-world +1\.0\.0 +stopped .*exited with code 0/);
    assert.match(demo.text, /crashy +0\.1\.0 +failed .*4 restarts/);
    assert.match(demo.text, /telemetry 1\.0\.0 → 1\.1\.0 +committed/);
    assert.match(demo.text, /telemetry 1\.1\.0 → 1\.2\.0 +rolled-back +telemetry: exited with code 3/);
    assert.equal(demo.text.match(/^Hello, world: line/gm)?.length, 10);
    const [before, after] = [/webapp is process (\d+) now/, /and process (\d+) after that/].map((pattern) => pattern.exec(demo.text)?.[1]);
    assert.ok(before !== undefined && before === after, 'webapp outlived berthd');
    assert.deepEqual(findRemains(territory), []);
  });

  test('ended half-way, refuses a second one before and leaves nothing', async (t) => {
    const demo = new Demo(t);
    await demo.says('$ berth install webapp.ipk');
    const second = new Demo(t);
    assert.equal(await second.end(), 1);
    assert.match(second.text, /another demonstration runs on this machine/);
    assert.equal(await demo.end('SIGINT'), 130);
    assert.deepEqual(findRemains(territory), []);
  });

  test('killed with SIGKILL, is cleared away by the next one, which ends at once when told twice', async (t) => {
    const killed = new Demo(t);
    await killed.says('$ berth install webapp.ipk');
    await killed.end('SIGKILL');
    assert.notDeepEqual(findRemains(territory), []);
    const next = new Demo(t);
    await next.says('An earlier demonstration was cut off');
    await next.says('$ berth install mosquitto.ipk');
    next.process.kill('SIGINT');
    await next.says('Stopping the apps');
    assert.equal(await next.end('SIGINT'), 130);
    assert.deepEqual(findRemains(territory), []);
  });
});
