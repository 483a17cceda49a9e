import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { BerthError } from '../lib/errors.ts';
import { signatureAlgorithms } from './algorithms.ts';
import { addSigner } from './cms-writer.ts';
import { authority, claim, manifest, now, party, policy, signedBy } from './fixtures.ts';
import { judgePackage } from './index.ts';
import { issueCertificate } from './issue.ts';
import { signingKey } from './signing-key.ts';
import type { Claim, TrustPolicy, Vouched } from './types.ts';

const web = { name: 'web', version: '1.0' };
const compare = (a: string, b: string): number => Number(a) - Number(b);

async function judge(claim: Claim, policy: TrustPolicy, identity = web): Promise<Vouched> {
  return await judgePackage(claim, identity, policy, compare);
}

async function refusal(claim: Claim, policy: TrustPolicy, identity = web): Promise<string> {
  try {
    await judge(claim, policy, identity);
  } catch (error) {
    assert.ok(error instanceof BerthError, String(error));
    assert.equal(error.code, 'untrusted');
    return error.message;
  }
  assert.fail('it was taken');
}

for (const algorithm of signatureAlgorithms) {
  test(`a signature by ${algorithm} is good, and not over other content`, async () => {
    const acme = await party('acme', { algorithm });
    const signature = await signedBy(acme, { signedAt: now });
    const vouched = await judge(claim(signature), policy([authority('acme', acme)]));
    assert.equal(vouched.authority, 'acme');
    assert.deepEqual(vouched.signers.map(({ subject, algorithm, signedAt }) => ({ subject, algorithm, signedAt })), [{ subject: 'CN=acme', algorithm, signedAt: now }]);
    assert.match(await refusal(claim(signature, Buffer.concat([manifest, Buffer.from('{}\n')])), policy([authority('acme', acme)])), /over other content/);
  });
}

test('a key that is for RSA-PSS only (RFC 4055 section 1.2)', async () => {
  for (const { privateKey } of [
    generateKeyPairSync('rsa-pss', { modulusLength: 3072 }),
    generateKeyPairSync('rsa-pss', { modulusLength: 3072, hashAlgorithm: 'sha256', mgf1HashAlgorithm: 'sha256' }),
  ]) {
    const key = signingKey(privateKey, 'key');
    const certificate = await issueCertificate({ subject: [['CN', 'acme']], publicKey: key.publicKey, isCa: false, notBefore: now - 1000, notAfter: now + 1000 }, { key });
    const acme = { key, certificate };
    assert.equal((await judge(claim(await signedBy(acme)), policy([authority('acme', acme)]))).signers[0]!.algorithm, 'rsa-pss');
  }
});

test('a signer with a certificate of a CA is vouched for by the authority that names the CA', async () => {
  const root = await party('root', { isCa: true });
  const middle = await party('middle', { isCa: true, issuer: root });
  const leaf = await party('leaf', { issuer: middle });
  const signature = await signedBy(leaf, { chain: [middle.certificate] });
  assert.equal((await judge(claim(signature), policy([authority('acme', root)]))).authority, 'acme');
  assert.match(await refusal(claim(await signedBy(leaf)), policy([authority('acme', root)])), /no authority of this device stands behind it/);
});

test('a device that knows no authority says so', async () => {
  assert.match(await refusal(claim(await signedBy(await party('acme'))), policy([])), /no authority of this device stands behind it; it knows none; put one into authorities\.d/);
});

test('publisher and countersigner', async () => {
  const [acme, shop] = [await party('acme'), await party('shop', { algorithm: 'ed25519' })];
  const authorities = [authority('acme', acme, { countersigners: [{ need: 1, of: ['shop'] }] }), authority('shop', shop, { apps: [] })];
  const alone = await signedBy(acme);
  assert.match(await refusal(claim(alone), policy(authorities)), /countersigned by 1 of shop/);
  const both = await addSigner(alone, manifest, { key: shop.key, certificate: shop.certificate, chain: [], signedAt: now });
  assert.deepEqual((await judge(claim(both), policy(authorities))).signers.map(({ authority }) => authority), ['acme', 'shop']);
});
