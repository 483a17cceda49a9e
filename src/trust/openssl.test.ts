/** What `openssl cms` makes is taken, and it takes what is made here. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../lib/process.ts';
import { parseCertificates } from './authority.ts';
import { authority, claim, manifest, now, party, pemOf, policy, signedBy } from './fixtures.ts';
import { judgePackage, verifyRecallList } from './index.ts';
import { signRecallList } from './recall-list.ts';
import type { SignatureAlgorithm } from './types.ts';

const directory = await mkdtemp(join(tmpdir(), 'berth-openssl-'));
after(() => rm(directory, { recursive: true, force: true }));
const file = (name: string): string => join(directory, name);
await writeFile(file('manifest'), manifest);

async function openssl(...args: string[]): Promise<{ readonly code: number | null; readonly stderr: string }> {
  return await run('openssl', args, { cwd: directory, timeoutMs: 60_000 });
}

async function must(...args: string[]): Promise<void> {
  const { code, stderr } = await openssl(...args);
  assert.equal(code, 0, stderr);
}

const kinds: readonly { readonly algorithm: SignatureAlgorithm; readonly key: readonly string[]; readonly sign: readonly string[] }[] = [
  { algorithm: 'ecdsa-p256', key: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'], sign: [] },
  { algorithm: 'ecdsa-p384', key: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'], sign: ['-md', 'sha384'] },
  { algorithm: 'ecdsa-p521', key: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-521'], sign: ['-md', 'sha512'] },
  { algorithm: 'rsa-pss', key: ['-newkey', 'rsa:3072', '-sigopt', 'rsa_padding_mode:pss'], sign: ['-keyopt', 'rsa_padding_mode:pss'] },
  { algorithm: 'ed25519', key: ['-newkey', 'ed25519'], sign: ['-md', 'sha512'] },
  { algorithm: 'ml-dsa-65', key: ['-newkey', 'ML-DSA-65'], sign: ['-md', 'sha512'] },
];
/** OpenSSL 3.0 has neither in CMS. */
const optional: readonly SignatureAlgorithm[] = ['ed25519', 'ml-dsa-65'];

/** Undefined if this openssl signs and verifies CMS with these keys; else why not. */
async function unable(algorithm: SignatureAlgorithm, key: readonly string[], sign: readonly string[]): Promise<string | undefined> {
  if (!optional.includes(algorithm)) return undefined;
  for (const step of [
    ['req', '-x509', ...key, '-nodes', '-subj', '/CN=probe', '-keyout', 'probe.key', '-out', 'probe.pem'],
    ['cms', '-sign', '-binary', '-outform', 'DER', ...sign, '-signer', 'probe.pem', '-inkey', 'probe.key', '-in', 'manifest', '-out', 'probe.p7s'],
  ]) {
    const { code, stderr } = await openssl(...step);
    if (code !== 0) return `this openssl does not sign CMS with ${algorithm}: ${stderr.split('\n').findLast((line) => line !== '') ?? ''}`;
  }
  return undefined;
}

for (const { algorithm, key, sign } of kinds) {
  const skip = (await unable(algorithm, key, sign)) ?? false;

  test(`${algorithm}: a signature by openssl is taken, with signed attributes and without`, { skip }, async () => {
    await must('req', '-x509', ...key, '-nodes', '-days', '30', '-subj', '/O=Acme/CN=signer', '-keyout', 'signer.key', '-out', 'signer.pem');
    const pem = await readFile(file('signer.pem'), 'utf8');
    const [{ notBefore }] = parseCertificates(pem, 'signer') as [ReturnType<typeof parseCertificates>[0]];
    const trusted = policy([{ ...authority('acme', await party('other')), certificates: [pem] }], { time: { now: notBefore + 1000, isKnown: true } });
    // On every curve, openssl takes SHA-256 unless told otherwise.
    const variants = [[], ['-noattr'], ['-nocerts'], ['-keyid'], ...(algorithm.startsWith('ecdsa') ? [['-md', 'sha256'], ['-md', 'sha512']] : [])];
    for (const more of variants) {
      await must('cms', '-sign', '-binary', '-outform', 'DER', '-signer', 'signer.pem', '-inkey', 'signer.key', ...sign, ...more, '-in', 'manifest', '-out', 'their.p7s');
      const { signers } = await judgePackage(claim(await readFile(file('their.p7s'))), { name: 'web', version: '1' }, trusted, () => 0);
      assert.deepEqual(signers.map(({ subject, algorithm }) => ({ subject, algorithm })), [{ subject: 'CN=signer, O=Acme', algorithm }]);
      assert.equal(signers[0]!.signedAt === undefined, more[0] === '-noattr');
    }
  });

  test(`${algorithm}: openssl takes a signature made here`, { skip }, async () => {
    const ca = await party('ca', { algorithm, isCa: true, from: -1000, to: 36_500 });
    const signer = await party('signer', { algorithm, issuer: ca, from: -1000, to: 36_500 });
    await writeFile(file('ca.pem'), pemOf(ca));
    await writeFile(file('our.p7s'), await signedBy(signer, { signedAt: now }));
    const verify = ['cms', '-verify', '-binary', '-inform', 'DER', '-in', 'our.p7s', '-CAfile', 'ca.pem', '-out', 'out', '-content'];
    await must(...verify, 'manifest');
    await writeFile(file('changed'), `${manifest.toString()} `);
    assert.notEqual((await openssl(...verify, 'changed')).code, 0);
  });
}

test('what openssl streams is not DER, and is refused', async () => {
  await must('req', '-x509', ...kinds[0]!.key, '-nodes', '-subj', '/CN=signer', '-keyout', 'signer.key', '-out', 'signer.pem');
  await must('cms', '-sign', '-binary', '-stream', '-outform', 'DER', '-signer', 'signer.pem', '-inkey', 'signer.key', '-in', 'manifest', '-out', 'stream.p7s');
  const judging = judgePackage(claim(await readFile(file('stream.p7s'))), { name: 'web', version: '1' }, policy([]), () => 0);
  await assert.rejects(judging, /a length that is left open \(BER\); sign without streaming/);
});

test('RSA PKCS#1 v1.5, which openssl makes of RSA keys unless told otherwise, is refused by name', async () => {
  await must('req', '-x509', '-newkey', 'rsa:3072', '-nodes', '-subj', '/CN=signer', '-keyout', 'rsa.key', '-out', 'rsa.pem');
  await must('cms', '-sign', '-binary', '-outform', 'DER', '-signer', 'rsa.pem', '-inkey', 'rsa.key', '-in', 'manifest', '-out', 'v15.p7s');
  const judging = judgePackage(claim(await readFile(file('v15.p7s'))), { name: 'web', version: '1' }, policy([]), () => 0);
  await assert.rejects(judging, /RSA PKCS#1 v1\.5 is not an algorithm that Berth takes/);
});

test('recall lists: openssl makes them, and shows those made here', async () => {
  const list = JSON.stringify({ authority: 'acme', issued: '2026-06-01T00:00:00Z', sequence: 1, recalls: [{ app: 'web', reason: 'old' }] });
  await writeFile(file('list.json'), list);
  await must('req', '-x509', ...kinds[0]!.key, '-nodes', '-days', '30', '-subj', '/CN=signer', '-keyout', 'signer.key', '-out', 'signer.pem');
  await must('cms', '-sign', '-binary', '-nodetach', '-outform', 'DER', '-signer', 'signer.pem', '-inkey', 'signer.key', '-in', 'list.json', '-out', 'their.recalls');
  const pem = await readFile(file('signer.pem'), 'utf8');
  const [{ notBefore }] = parseCertificates(pem, 'signer') as [ReturnType<typeof parseCertificates>[0]];
  const taken = await verifyRecallList(await readFile(file('their.recalls')), {
    authorities: [{ ...authority('acme', await party('other')), certificates: [pem] }],
    time: { now: notBefore + 1000, isKnown: true },
    known: () => undefined,
  });
  assert.equal(taken.sequence, 1);
  const signer = await party('signer', { from: -1000, to: 36_500 });
  await writeFile(file('our.pem'), pemOf(signer));
  await writeFile(file('our.recalls'), await signRecallList(Buffer.from(list), { ...signer, chain: [] }));
  await must('cms', '-verify', '-binary', '-inform', 'DER', '-in', 'our.recalls', '-CAfile', 'our.pem', '-out', 'shown.json');
  assert.equal(await readFile(file('shown.json'), 'utf8'), list);
});
