import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { after, test } from 'node:test';
import { BerthError } from '../lib/errors.ts';
import { arArchive, berthMembers, classicPackage, dir, smallLimits } from './test-fixtures.ts';
import { unpackPayloadInChild, type UnpackPayloadOptions, type WorkerCommand } from './worker.ts';
import { unpackPayload } from './payload.ts';

const work = mkdtempSync(join(tmpdir(), 'berth-worker-'));
after(() => rmSync(work, { recursive: true, force: true }));

function script(code: string): WorkerCommand {
  return { command: process.execPath, args: ['--input-type=module', '--eval', code, '--'] };
}

const module = JSON.stringify(join(import.meta.dirname, 'worker.ts'));
const worker = script(`import { unpackWorkerMain } from ${module}; await unpackWorkerMain(process.argv.slice(1));`);
const good = arArchive(berthMembers([{ name: 'a', data: Buffer.alloc(3_000_000, 'x') }, dir('b')]));

function run(source: Readable, rest: Partial<UnpackPayloadOptions> = {}): { target: string; report: ReturnType<typeof unpackPayloadInChild> } {
  const target = mkdtempSync(join(work, 'target-'));
  return { target, report: unpackPayloadInChild(source, target, { worker, limits: smallLimits(), ...rest }) };
}

test('the child unpacks and reports as unpacking here does, and progress is told', async () => {
  const told: number[] = [];
  const { target, report } = run(Readable.from([good.subarray(0, 100), good.subarray(100)]), { onProgress: (bytes) => told.push(bytes) });
  const found = await report;
  const [one] = found.packages;
  assert.equal(one?.directory, join(target, '0'));
  const here = await unpackPayload(Readable.from([good]), undefined, { limits: smallLimits() });
  assert.deepEqual(found, { ...here, packages: here.packages.map((found) => ({ ...found, directory: one.directory })) });
  assert.deepEqual(readdirSync(target), ['0']);
  assert.deepEqual(readdirSync(one.directory).toSorted(), ['bundle', 'manifest']);
  assert.deepEqual(told, [100, good.length]);
});

test('without a target, all is checked and nothing written', async () => {
  const { kind, bytes, packages } = await unpackPayloadInChild(Readable.from([good]), undefined, { worker, limits: smallLimits() });
  assert.deepEqual([kind, bytes, packages.map(({ directory, name, report }) => [directory, name, report.files])], ['package', good.length, [[undefined, '', 1]]]);
  await assert.rejects(unpackPayloadInChild(Readable.from([good.subarray(0, -10)]), undefined, { worker, limits: smallLimits() }), { code: 'bad_package' });
});

test('a refusal comes back as it was thrown; the source is left to its owner', async () => {
  const source = new PassThrough();
  source.write(classicPackage([{ name: '../x' }]));
  const { target, report } = run(source);
  await assert.rejects(report, (error: unknown) => error instanceof BerthError && error.code === 'bad_package' && /"\.\."/.test(error.message));
  assert.deepEqual(readdirSync(target), []);
  assert.equal(source.destroyed, false);
});

test('an abort or a broken source kills the child and empties the target', async () => {
  for (const stop of ['abort', 'error', 'close'] as const) {
    const source = new PassThrough();
    const controller = new AbortController();
    const { target, report } = run(source, {
      signal: controller.signal,
      // Once the child has the beginning: what it has made by then varies, what is left does not.
      onProgress: () => {
        if (stop === 'abort') controller.abort();
        else source.destroy(stop === 'error' ? new Error('the line is cut') : undefined);
      },
    });
    source.write(good.subarray(0, -10));
    await assert.rejects(report, { abort: { code: 'cancelled' }, error: /the line is cut/, close: /broke off after/ }[stop]);
    assert.deepEqual(readdirSync(target), []);
  }
});

test('a child that dies, cannot start or talks nonsense is told, and the target emptied', async () => {
  const leave = `import { mkdirSync } from 'node:fs'; mkdirSync(JSON.parse(process.argv[1]).target + '/bundle');`;
  const faults: readonly (readonly [WorkerCommand, RegExp])[] = [
    [script(`${leave} process.kill(process.pid, 'SIGKILL');`), /ended by SIGKILL \(was memory short\?\)/],
    [script(`${leave} console.error('oh'); process.exit(3);`), /exit status 3.*oh/],
    [script(`${leave} console.log('{}');`), /no answer that can be read/],
    [{ command: '/nowhere/node', args: [] }, /cannot be started/],
  ];
  for (const [command, message] of faults) {
    const { target, report } = run(Readable.from([good]), { worker: command });
    await assert.rejects(report, (error: unknown) => error instanceof BerthError && error.code === 'internal' && message.test(error.message));
    assert.deepEqual(readdirSync(target), []);
  }
});
