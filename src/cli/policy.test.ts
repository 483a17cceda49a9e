/** `berth policy check` on a build machine. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { buildPackage } from '../image/index.ts';
import type { PolicyReport } from '../policy/index.ts';
import { runCommandLine } from './run.ts';

let directory: string;
let plain: string;
let signed: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'berth-policy-'));
  [plain, signed] = [join(directory, 'plain.ipk'), join(directory, 'signed.ipk')];
  await mkdir(join(directory, 'app/root'), { recursive: true });
  await writeFile(join(directory, 'app/berth.yaml'), 'name: web\nversion: 1.0\narchitecture: all\nrootfs: root\nrun: {command: [/bin/true], limits: {memory: 768MiB}}\n');
  await buildPackage(join(directory, 'app'), plain);
  await must('keygen', '-o', join(directory, 'acme'));
  await must('sign', plain, '-o', signed, '--key', join(directory, 'acme.key'), '--cert', join(directory, 'acme.pem'));
  await folder('policy.d', { 'large.yaml': 'apps: [web]\nrights: {memory: 1GiB}\n' });
  await folder('authorities.d', { 'acme.yaml': 'certificate: acme.pem\napps: [web]\nrights: {memory: 600MiB}\n', 'acme.pem': await readFile(join(directory, 'acme.pem'), 'utf8') });
});

after(() => rm(directory, { recursive: true, force: true }));

async function folder(name: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(join(directory, name));
  for (const [file, text] of Object.entries(files)) await writeFile(join(directory, name, file), text);
}

async function berth(...args: string[]): Promise<{ readonly status: number; readonly out: string }> {
  let out = '';
  const add = async (text: string | Uint8Array): Promise<void> => {
    out += text.toString();
    return Promise.resolve();
  };
  const status = await runCommandLine(args, {
    stdin: Readable.from([]), env: {}, out: add, err: add, outTerminal: false, errTerminal: false, columns: () => 80, rows: () => 24, now: () => Date.now(), signal: new AbortController().signal,
  });
  return { status, out };
}

async function must(...args: string[]): Promise<void> {
  const { status, out } = await berth(...args);
  assert.equal(status, 0, out);
}

async function check(file: string, ...args: string[]): Promise<{ readonly status: number; readonly report: PolicyReport }> {
  const { status, out } = await berth('policy', 'check', file, ...args, '--json');
  return { status, report: JSON.parse(out) as PolicyReport };
}

const path = 'linux.resources.memory.limit';
const MiB = 2 ** 20;

test('without a policy the default rights count', async () => {
  const { status, report } = await check(plain);
  assert.deepEqual([status, report.refused, report.decisions.map((decision) => [decision.path, decision.granted, decision.verdict])], [1, 1, [[path, 512 * MiB, 'refused']]]);
});

test('a rule of the policy grants more', async () => {
  const { status, report } = await check(plain, '--policy', join(directory, 'policy.d'));
  assert.deepEqual([status, report.origin, report.decisions[0]!.verdict], [0, 'large.yaml', 'granted']);
});

test('the bound of the authority that signed holds', async () => {
  const { status, report } = await check(signed, '--policy', join(directory, 'policy.d'), '--authorities', join(directory, 'authorities.d'));
  assert.deepEqual([status, report.decisions[0]!.granted, report.decisions[0]!.verdict], [1, 600 * MiB, 'refused']);
  assert.match(report.origin, /^large\.yaml, within the bound of its authority$/);
});

test('the file of an authority with a bound that is none is no good', async () => {
  await folder('bound.d', { 'acme.yaml': 'certificate: acme.pem\napps: [web]\nrights: {memory: lots}\n', 'acme.pem': await readFile(join(directory, 'acme.pem'), 'utf8') });
  const { status, out } = await berth('authority', 'check', join(directory, 'bound.d/acme.yaml'));
  assert.equal(status, 2);
  assert.match(out, /authority acme: rights: memory: lots is not a size/);
});

test('a broken policy is told with file and key', async () => {
  await folder('broken.d', { 'a.yaml': 'apps: web\n' });
  const { status, out } = await berth('policy', 'check', plain, '--policy', join(directory, 'broken.d'));
  assert.equal(status, 2);
  assert.match(out, /broken\.d\/a\.yaml: apps: /);
});

test('the table tells field, asked, granted and why', async () => {
  const { out } = await berth('policy', 'check', plain);
  assert.match(out, /FIELD +ASKED +GRANTED +VERDICT +WHY\nlinux\.resources\.memory\.limit +805306368 +536870912 +refused +more than the 512 MiB of the rights/);
  assert.match(out, /web is refused for one field\. Its rights come from the default rights/);
});

test('what is granted as asked and what is granted less are told apart', async () => {
  assert.match((await berth('policy', 'check', plain, '--policy', join(directory, 'policy.d'))).out, /web is granted what it asks for\. Its rights come from large\.yaml/);
  await folder('less.d', { 'less.yaml': 'apps: [web]\ndegrade: true\n' });
  assert.match((await berth('policy', 'check', plain, '--policy', join(directory, 'less.d'))).out, /web is taken, with less than it asks for in one field\./);
});

test('files of this machine and the device cannot both decide', async () => {
  assert.equal((await berth('policy', 'check', plain, '--device', '--policy', directory)).status, 2);
  assert.equal((await berth('policy', 'grant', plain)).status, 2);
});
