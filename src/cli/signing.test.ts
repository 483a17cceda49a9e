/** `berth keygen`, `berth sign`, `berth verify`. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { buildPackage } from '../image/index.ts';
import { run } from '../lib/process.ts';
import { runCommandLine } from './run.ts';

const now = Date.UTC(2026, 5, 1);
let directory: string;
let plain: string;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'berth-signing-'));
  await mkdir(join(directory, 'app/root'), { recursive: true });
  await writeFile(join(directory, 'app/berth.yaml'), 'name: web\nversion: 1.0\narchitecture: all\nrootfs: root\nrun: {command: [/bin/true]}\n');
  plain = join(directory, 'plain.ipk');
  await buildPackage(join(directory, 'app'), plain);
  await keygen('acme');
  await mkdir(join(directory, 'authorities.d'));
  await writeFile(join(directory, 'authorities.d/acme.yaml'), 'certificate: acme.pem\napps: [web]\n');
  await writeFile(join(directory, 'authorities.d/acme.pem'), await readFile(at('acme.pem')));
});

after(() => rm(directory, { recursive: true, force: true }));

function at(name: string): string {
  return join(directory, name);
}

interface Outcome {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

async function berth(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  let [out, err] = ['', ''];
  const status = await runCommandLine(args, {
    stdin: Readable.from([]),
    env,
    out: async (text) => {
      out += text.toString();
    },
    err: async (text) => {
      err += text.toString();
    },
    outTerminal: false,
    errTerminal: false,
    columns: () => 80,
    rows: () => 24,
    now: () => now,
    signal: new AbortController().signal,
  });
  return { status, out, err };
}

async function must(...args: string[]): Promise<string> {
  const { status, out, err } = await berth(args);
  assert.equal(status, 0, err + out);
  return out;
}

async function keygen(name: string, ...more: string[]): Promise<void> {
  await must('keygen', '-o', at(name), ...more);
}

/** A copy of the package, signed with these options. */
async function signed(name: string, ...more: string[]): Promise<string> {
  await must('sign', plain, '-o', at(name), ...more);
  return at(name);
}

const byAcme = (): string[] => ['--key', at('acme.key'), '--cert', at('acme.pem')];
const authorities = (): string[] => ['--authorities', at('authorities.d')];

test('a key is readable by its owner only, and never overwritten', async () => {
  assert.equal((await stat(at('acme.key'))).mode & 0o777, 0o600);
  const before = await readFile(at('acme.key'), 'utf8');
  const { status, err } = await berth(['keygen', '-o', at('acme')]);
  assert.equal(status, 1);
  assert.match(err, /acme\.key is there already; keys and certificates are never overwritten/);
  assert.equal(await readFile(at('acme.key'), 'utf8'), before);
});

test('sign and verify', async () => {
  const file = await signed('web.ipk', ...byAcme());
  const { status, out } = await berth(['verify', file, ...authorities()]);
  assert.equal(status, 0);
  assert.match(out, /Signed by {7}CN=acme \(ecdsa-p256/);
  assert.match(out, /Vouched for by {2}acme/);
  const document = JSON.parse(await must('verify', file, '--json', ...authorities())) as { vouched: { authority: string }; signatures: { algorithm: string; signedAt: number }[] };
  assert.equal(document.vouched.authority, 'acme');
  assert.deepEqual(document.signatures.map(({ algorithm, signedAt }) => ({ algorithm, signedAt })), [{ algorithm: 'ecdsa-p256', signedAt: now }]);
});

test('verify tells who signed although nobody vouches, and why', async () => {
  const file = await signed('alone.ipk', ...byAcme());
  const without = await berth(['verify', file]);
  assert.equal(without.status, 0);
  assert.match(without.out, /Vouched for by {2}nobody: no authorities were given/);
  const late = await berth(['verify', file, ...authorities(), '--at', '2040-01-01']);
  assert.equal(late.status, 1);
  assert.match(late.out, /Vouched for by {2}nobody: .*expired/);
  const unsigned = await berth(['verify', plain]);
  assert.equal(unsigned.status, 1);
  assert.match(unsigned.out, /Signed by {7}nobody/);
});

test('verify finds what was changed after signing', async () => {
  const file = await signed('changed.ipk', ...byAcme());
  const bytes = await readFile(file);
  bytes.write('2', bytes.indexOf('"Version":"1.0"') + '"Version":"'.length);
  await writeFile(file, bytes);
  const { status, err } = await berth(['verify', file]);
  assert.equal(status, 1);
  assert.match(err, /over other content/);
});

test('a second signature is added, and a signed package is not signed over by mistake', async () => {
  await keygen('shop', '--algorithm', 'ml-dsa-65', '--subject', '/O=Shop/CN=Apps');
  const file = await signed('both.ipk', ...byAcme());
  const again = await berth(['sign', file, ...byAcme()]);
  assert.equal(again.status, 1);
  assert.match(again.err, /signed already; --countersign adds a signature, --replace/);
  await must('sign', file, '--countersign', '--key', at('shop.key'), '--cert', at('shop.pem'));
  const { signatures } = JSON.parse(await must('verify', file, '--json')) as { signatures: { subject: string }[] };
  assert.deepEqual(signatures.map(({ subject }) => subject).toSorted(), ['CN=Apps, O=Shop', 'CN=acme']);
  const twice = await berth(['sign', file, '--countersign', ...byAcme()]);
  assert.match(twice.err, /CN=acme has signed it already/);
  await must('sign', file, '--replace', ...byAcme());
  assert.equal((JSON.parse(await must('verify', file, '--json')) as { signatures: unknown[] }).signatures.length, 1);
});

test('a signer of a CA, with an encrypted key', async () => {
  await writeFile(at('pass'), 'secret\n');
  await keygen('ca', '--ca', '--encrypt', '--pass-file', at('pass'), '--algorithm', 'ecdsa-p384');
  assert.match(await readFile(at('ca.key'), 'utf8'), /BEGIN ENCRYPTED PRIVATE KEY/);
  await keygen('builder', '--issuer-cert', at('ca.pem'), '--issuer-key', at('ca.key'), '--issuer-pass-file', at('pass'), '--algorithm', 'ed25519');
  await mkdir(at('ca.d'));
  await writeFile(at('ca.d/ca.pem'), await readFile(at('ca.pem')));
  await writeFile(at('ca.d/vendor.yaml'), 'certificate: ca.pem\napps: ["*"]\n');
  const file = await signed('built.ipk', '--key', at('builder.key'), '--cert', at('builder.pem'));
  assert.match(await must('verify', file, '--authorities', at('ca.d')), /Vouched for by {2}vendor/);
  const wrong = await berth(['sign', plain, '-o', at('x.ipk'), '--key', at('ca.key'), '--cert', at('ca.pem')], { BERTH_PASSPHRASE: 'wrong' });
  assert.equal(wrong.status, 2);
  assert.match(wrong.err, /cannot be read: is the passphrase right\?/);
});

test('a passphrase is asked for at the terminal, and not shown', async () => {
  const main = join(import.meta.dirname, 'main.ts');
  const child = spawn('script', ['-qec', `${process.execPath} ${main} keygen --encrypt -o ${at('asked')}`, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  let shown = '';
  for await (const chunk of child.stdout) {
    shown += String(chunk);
    if (shown.endsWith(`Passphrase of the new key ${at('asked.key')}: `)) child.stdin.write('husX\x7fh\r');
  }
  assert.doesNotMatch(shown, /hus/);
  await writeFile(at('hush'), 'hush');
  await must('sign', plain, '-o', at('asked.ipk'), '--key', at('asked.key'), '--cert', at('asked.pem'), '--pass-file', at('hush'));
});

/** The members of a package in files of a new directory, by `ar`. */
async function unpacked(file: string, name: string): Promise<string> {
  await mkdir(at(name));
  const { code, stderr } = await run('ar', ['x', file], { cwd: at(name) });
  assert.equal(code, 0, stderr);
  return at(name);
}

test('members of another package, and a package that is cut off', async () => {
  const file = await signed('mine.ipk', ...byAcme());
  await writeFile(at('app/root/more'), 'more');
  const theirs = at('theirs.ipk');
  await buildPackage(at('app'), theirs);
  await must('sign', theirs, ...byAcme());
  const [mine, other] = [await unpacked(file, 'mine'), await unpacked(theirs, 'theirs')];
  const members = ['debian-binary', '_manifest.json', '_signature.p7s', 'control.tar.gz', 'data.tar.zst'];
  for (const [swapped, reason] of [['_signature.p7s', /over other content/], ['_manifest.json', /over other content/], ['data.tar.zst', /is not in the data|is not in _manifest|stands where/]] as const) {
    const mixed = at(`mixed-${swapped}.ipk`);
    const { code, stderr } = await run('ar', ['rcD', mixed, ...members.map((name) => join(name === swapped ? other : mine, name))]);
    assert.equal(code, 0, stderr);
    const { status, err } = await berth(['verify', mixed, ...authorities()]);
    assert.equal(status, 1, swapped);
    assert.match(err, reason);
  }
  const whole = await readFile(file);
  for (const part of [0.2, 0.5, 0.9, 0.999]) {
    await writeFile(at('cut.ipk'), whole.subarray(0, Math.floor(whole.length * part)));
    assert.equal((await berth(['verify', at('cut.ipk'), ...authorities()])).status, 1);
  }
});

test('a key that is not the certificate\'s', async () => {
  await keygen('stray');
  const { status, err } = await berth(['sign', plain, '-o', at('x.ipk'), '--key', at('stray.key'), '--cert', at('acme.pem')]);
  assert.equal(status, 2);
  assert.match(err, /stray\.key is not the key of the certificate/);
});

test('an external command signs, and what it writes is checked', async () => {
  await signed('command.ipk', '--cert', at('acme.pem'), '--key-command', `openssl dgst -sha256 -sign ${at('acme.key')}`);
  await must('verify', at('command.ipk'), ...authorities());
  await keygen('rsa', '--algorithm', 'rsa-pss');
  await signed('rsa.ipk', '--cert', at('rsa.pem'), '--key-command', `openssl dgst -sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -sigopt rsa_mgf1_md:sha256 -sign ${at('rsa.key')}`);
  for (const [command, reason] of [[`openssl dgst -sha256 -sign ${at('rsa.key')}`, /no rsa-pss signature by the key/], ['cat', /no rsa-pss signature/], ['exit 3', /ended with exit status 3/], ['true', /wrote 0 bytes, which is no signature/]] as const) {
    const { status, err } = await berth(['sign', plain, '-o', at('x.ipk'), '--cert', at('rsa.pem'), '--key-command', command]);
    assert.equal(status, 2);
    assert.match(err, reason);
  }
});

/** Where Debian's libsofthsm2 is. */
const softHsm = '/usr/lib/softhsm/libsofthsm2.so';

test('a key in a PKCS#11 module signs', { skip: await missing('softhsm2-util', 'pkcs11-tool', softHsm) }, async () => {
  await mkdir(at('tokens'));
  await writeFile(at('softhsm2.conf'), `directories.tokendir = ${at('tokens')}\nobjectstore.backend = file\n`);
  const env = { ...process.env, SOFTHSM2_CONF: at('softhsm2.conf') };
  for (const args of [
    ['--init-token', '--free', '--label', 'berth', '--pin', '1234', '--so-pin', '1234'],
    ['--import', at('acme.key'), '--token', 'berth', '--label', 'acme', '--id', '01', '--pin', '1234'],
  ]) {
    const { code, stderr } = await run('softhsm2-util', args, { env });
    assert.equal(code, 0, stderr);
  }
  const tool = `SOFTHSM2_CONF=${at('softhsm2.conf')} pkcs11-tool --module ${softHsm} --token-label berth --pin 1234 --id 01 --sign --mechanism ECDSA`;
  const file = await signed('hsm.ipk', '--cert', at('acme.pem'), '--key-command', `openssl dgst -sha256 -binary | ${tool} 2>/dev/null`);
  await must('verify', file, ...authorities());
});

/** Why these programs cannot be used, or false. */
async function missing(...programs: string[]): Promise<string | false> {
  for (const program of programs) if ((await run('sh', ['-c', `command -v ${program}`])).code !== 0) return `there is no ${program} on this machine`;
  return false;
}

test('another tool signs the manifest, and its signature is put in', async () => {
  await must('sign', plain, '--manifest-out', at('manifest'));
  const { code, stderr } = await run('openssl', ['cms', '-sign', '-binary', '-outform', 'DER', '-signer', at('acme.pem'), '-inkey', at('acme.key'), '-in', at('manifest'), '-out', at('out.p7s')]);
  assert.equal(code, 0, stderr);
  const file = await signed('openssl.ipk', '--signature', at('out.p7s'));
  // It was signed now, by a clock of its own.
  await must('verify', file, ...authorities());
  await writeFile(at('other'), 'other');
  await run('openssl', ['cms', '-sign', '-binary', '-outform', 'DER', '-signer', at('acme.pem'), '-inkey', at('acme.key'), '-in', at('other'), '-out', at('other.p7s')]);
  const wrong = await berth(['sign', plain, '-o', at('x.ipk'), '--signature', at('other.p7s')]);
  assert.equal(wrong.status, 1);
  assert.match(wrong.err, /over other content/);
  await assert.rejects(stat(at('x.ipk')), { code: 'ENOENT' });
});

test('a recall list is signed, and one with a fault is not', async () => {
  const list = { authority: 'acme', issued: '2026-06-01T00:00:00Z', sequence: 1, recalls: [{ app: 'web', reason: 'old' }] };
  await writeFile(at('recalls.json'), JSON.stringify(list));
  await must('sign', at('recalls.json'), '--recalls', ...byAcme(), '-o', at('acme.recalls'));
  assert.ok((await readFile(at('acme.recalls'))).includes(JSON.stringify(list)));
  await writeFile(at('recalls.json'), JSON.stringify({ ...list, sequence: 'one' }));
  const { status, err } = await berth(['sign', at('recalls.json'), '--recalls', ...byAcme(), '-o', at('bad.recalls')]);
  assert.equal(status, 1);
  assert.match(err, /the recall list: sequence/);
});

test('what does not go together is said', async () => {
  for (const [args, reason] of [
    [['keygen'], /--output NAME is missing/],
    [['keygen', '-o', at('y'), '--issuer-cert', at('acme.pem')], /belong together/],
    [['keygen', '-o', at('y'), '--path-length', '1'], /is of a CA/],
    [['keygen', '-o', at('y'), '--algorithm', 'rsa'], /"rsa" is not one of/],
    [['keygen', '-o', at('y'), '--issuer-cert', at('acme.pem'), '--issuer-key', at('acme.key')], /CN=acme is not a CA/],
    [['sign', plain], /--cert FILE is missing/],
    [['sign', plain, '--cert', at('acme.pem')], /one of --key FILE and --key-command/],
    [['sign', plain, '--countersign', '--replace'], /--countersign goes with neither/],
    [['sign', plain, ...byAcme(), '--time', 'soon'], /"soon" is not a time/],
    [['verify', plain, '--at', 'x', ...authorities()], /"x" is not a time/],
  ] as const) {
    const { status, err } = await berth(args);
    assert.equal(status, 2, err);
    assert.match(err, reason);
  }
});
