import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { test } from 'node:test';
import { isGood } from './algorithms.ts';
import { readSignedMessage } from './cms-reader.ts';
import { verifySigners } from './cms-verify.ts';
import { gnutlsContent, gnutlsEd25519, gnutlsEd25519Plain, rfc9882MlDsa65 } from './test-vectors.ts';

test('ML-DSA-65: the example of RFC 9882 is good, and no other signature is', () => {
  // PKCS#8 with the seed only (RFC 9881 section 6).
  const pkcs8 = Buffer.concat([Buffer.from('3034020100300b060960864801650304031204228020', 'hex'), Buffer.from([...Array(32).keys()])]);
  const key = createPublicKey(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }));
  const message = readSignedMessage(Buffer.from(rfc9882MlDsa65, 'base64'), 'example');
  assert.equal(Buffer.from(message.content!).toString(), 'ML-DSA-65 signed-data example with signed attributes');
  const { scheme, attributes, signature, what } = message.signers[0]!;
  assert.deepEqual(scheme, { family: 'ml-dsa-65' });
  assert.equal(isGood(scheme, key, [attributes!.bytes], signature, what), true);
  assert.equal(isGood(scheme, key, [attributes!.bytes.subarray(1)], signature, what), false);
});

for (const [name, vector, signedAt] of [
  ['with signed attributes', gnutlsEd25519, 1_795_484_244_000],
  ['without signed attributes', gnutlsEd25519Plain, undefined],
] as const) {
  test(`Ed25519: a signature by GnuTLS ${name} is good over its content only`, () => {
    const message = readSignedMessage(Buffer.from(vector, 'base64'), 'example');
    const verify = (content: string): readonly (number | undefined)[] => verifySigners(message, () => [Buffer.from(content)], []).map((signer) => signer.signedAt);
    assert.deepEqual(verify(gnutlsContent), [signedAt]);
    assert.throws(() => verify(`${gnutlsContent} `), { code: 'untrusted' });
  });
}
