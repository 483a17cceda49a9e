import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { after, test } from 'node:test';
import { BerthError } from '../lib/errors.ts';
import { arArchive, berthMembers, classicPackage, dir, smallLimits, tinyControl } from './test-fixtures.ts';
import type { TrustPolicy } from '../trust/index.ts';
import { unpackPayloadInChild, type UnpackPayloadOptions, type WorkerCommand } from './worker.ts';
import { unpackPayload } from './payload.ts';

const work = mkdtempSync(join(tmpdir(), 'berth-worker-'));
after(() => rmSync(work, { recursive: true, force: true }));

function script(code: string): WorkerCommand {
  return { command: process.execPath, args: ['--input-type=module', '--eval', code, '--'] };
}

function importing(names: string, file: string): string {
  return `import { ${names} } from ${JSON.stringify(join(import.meta.dirname, file))};`;
}

const worker = script(`${importing('unpackWorkerMain', 'unpack-worker.ts')} await unpackWorkerMain();`);
/** Of a child that does something else: its job, and how it says things at the gate. */
const fake = `${importing('receiveMessageSync, sendMessageSync', 'message.ts')} const job = receiveMessageSync(3, 1e6);`;
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
  assert.deepEqual(found, { ...here, packages: here.packages.map((found) => ({ ...found, directory: one.directory, report: { ...found.report, vouched: { signers: [] } } })) });
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
  const leave = `import { mkdirSync } from 'node:fs'; ${fake} mkdirSync(job.target + '/bundle');`;
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

test('the caller lets each package in by what the child says of it, or refuses the payload', async () => {
  const asked: string[] = [];
  const { report } = run(Readable.from([good]), {
    admit: ({ name, version, digest }) => {
      asked.push(`${name} ${version} ${digest}`);
      return {};
    },
  });
  const [one] = (await report).packages;
  assert.deepEqual(asked, [`demo 1.0 ${one?.report.digest}`]);
  const refused = run(Readable.from([good]), {
    admit: () => {
      throw new BerthError('untrusted', 'demo is not welcome');
    },
  });
  await assert.rejects(refused.report, { code: 'untrusted', message: 'demo is not welcome' });
  assert.deepEqual(readdirSync(refused.target), []);
});

test('a child that gives another package than was let in, or says what it must not, is refused', async () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const claim = { digest, name: 'demo', version: '1.0', vouched: { signers: [] } };
  const report = { digest, control: tinyControl, manifestGiven: true, packageBytes: 1, unpackedBytes: 1, entries: 1, files: 1, compression: 'gz', warnings: [], scripts: [], hasRootfs: true };
  const answers = (packages: readonly object[]): string => `console.log(${JSON.stringify(JSON.stringify({ payload: { kind: 'package', bytes: 1, packages: packages.map((found) => ({ name: '', report: found })) } }))});`;
  const asks = (admission: object): string => `sendMessageSync(3, ${JSON.stringify(admission)}); receiveMessageSync(3, 1e6);`;
  const from = async (code: string, rest: Partial<UnpackPayloadOptions> = {}): ReturnType<typeof unpackPayloadInChild> => run(Readable.from([good]), { worker: script(`${fake} ${code}`), ...rest }).report;
  // So that the others fail for what they say, not for how.
  assert.equal((await from(asks(claim) + answers([report]))).packages[0]?.report.control.package, 'demo');
  const lies: readonly (readonly [code: string, message: RegExp])[] = [
    [asks({ ...claim, name: 'bank' }) + answers([report]), /gives demo 1\.0 .* where bank 1\.0 .* was let in/],
    [asks({ ...claim, version: '0.9' }) + answers([report]), /demo 0\.9/],
    [asks({ ...claim, digest: `sha256:${'b'.repeat(64)}` }) + answers([report]), /was let in/],
    [answers([report]), /where nothing was let in/],
    [asks(claim) + answers([report, report]), /was let in/],
    [asks(claim) + asks({ ...claim, name: 'other' }) + answers([report]), /was let in/],
    [asks({ ...claim, root: true }) + answers([report]), /of one what cannot be/],
    [`sendMessageSync(3, 'x'.repeat(300_000));`, /at most 262144/],
  ];
  for (const [code, message] of lies) await assert.rejects(from(code), (error: unknown) => error instanceof BerthError && error.code === 'internal' && message.test(error.message), code);
  const admit = (): never => {
    throw new BerthError('untrusted', 'not welcome');
  };
  await assert.rejects(from(asks(claim) + answers([report]), { admit }), { code: 'untrusted' });
});

test('what a child says of packages that come after it has decompressed something is looked at again', async () => {
  const vouched = { authority: 'acme', signers: [{ authority: 'acme', subject: 'CN=Acme', fingerprint: 'a'.repeat(64), algorithm: 'ed25519', expiresAt: 1 }] };
  const claim = (name: string): object => ({ digest: `sha256:${'a'.repeat(64)}`, name, version: '1.0', vouched });
  const report = (name: string): object => ({ digest: `sha256:${'a'.repeat(64)}`, control: tinyControl.replace('demo', name), manifestGiven: true, packageBytes: 1, unpackedBytes: 1, entries: 1, files: 1, compression: 'gz', warnings: [], scripts: [], hasRootfs: true });
  const saying = (...names: readonly string[]): WorkerCommand => script(`${fake}
    ${names.map((name) => `sendMessageSync(3, ${JSON.stringify(claim(name))}); receiveMessageSync(3, 1e6);`).join('\n')}
    console.log(${JSON.stringify(JSON.stringify({ payload: { kind: 'archive', bytes: 1, packages: names.map((name) => ({ name, report: report(name) })) } }))});`);
  const trust: TrustPolicy = {
    authorities: [{ name: 'acme', certificates: [], apps: ['demo', 'second'], countersigners: [], crls: [], witnesses: [], successors: [] }],
    allowUnsigned: false, recalls: [], time: { now: 0, isKnown: true }, unknownTime: 'lenient',
  };
  // Nothing was decompressed before the gate of the first package, if it is no archive in a compression.
  assert.equal((await run(Readable.from([good]), { worker: saying('demo'), trust }).report).packages.length, 1);
  for (const [names, source] of [[['demo', 'second'], good], [['demo'], Buffer.from('compressed')]] as const) {
    const { target, report: found } = run(Readable.from([source]), { worker: saying(...names), trust });
    await assert.rejects(found, (error: unknown) => error instanceof BerthError && error.code === 'internal' && /is not what was let in/.test(error.message));
    assert.deepEqual(readdirSync(target), []);
  }
  // Nor can it say that an authority vouches for an app that this one may not sign, or that nobody need vouch for it.
  await assert.rejects(run(Readable.from([good]), { worker: saying('bank'), trust }).report, { code: 'internal' });
});
