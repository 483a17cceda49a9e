/** Whatever a signature is made of, it is taken or refused with a BerthError, and never taken if nobody made it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BerthError } from '../lib/errors.ts';
import { addSigner, sign } from './cms-writer.ts';
import { readSignedMessage } from './cms-reader.ts';
import { parseCrl } from './crl.ts';
import { hex } from './der.ts';
import { authority, claim, manifest, now, party, policy, signedBy } from './fixtures.ts';
import { crlOf } from './forge.ts';
import { hear } from './hearing.ts';
import { verifyRecallList } from './recall-list.ts';
import { readCertificate } from './certificate.ts';
import { readPem } from './pem.ts';

/** Changed messages of each kind; `BERTH_FUZZ_ROUNDS` asks for more. */
const rounds = Number(process.env['BERTH_FUZZ_ROUNDS'] ?? 1500);
/** The same changes each time; a failure tells which. */
const seed = Number(process.env['BERTH_FUZZ_SEED'] ?? 1);

/** mulberry32: a small generator with a seed. */
function generator(state: number): (below: number) => number {
  let a = state >>> 0;
  return (below) => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

type Change = (bytes: Buffer, below: (limit: number) => number) => Buffer;

const changes: readonly Change[] = [
  (bytes, below) => flipped(bytes, below(bytes.length), 1 << below(8)),
  (bytes, below) => flipped(bytes, below(bytes.length), 1 + below(255)),
  // Where tags and lengths stand, which is mostly near the beginning of elements.
  (bytes, below) => flipped(bytes, below(Math.min(bytes.length, 64)), 1 + below(255)),
  (bytes, below) => bytes.subarray(0, below(bytes.length)),
  (bytes, below) => Buffer.concat([bytes, bytes.subarray(0, 1 + below(64))]),
  (bytes, below) => spliced(bytes, below(bytes.length), below(32), Buffer.alloc(0)),
  (bytes, below) => spliced(bytes, below(bytes.length), 0, bytes.subarray(below(bytes.length)).subarray(0, below(64))),
  (bytes, below) => spliced(bytes, below(bytes.length), 4, Buffer.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff)),
  (bytes, below) => spliced(bytes, below(bytes.length), 2, Buffer.of(0x02 + below(0x30), below(0x90))),
];

function flipped(bytes: Buffer, at: number, mask: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= mask;
  return copy;
}

function spliced(bytes: Buffer, at: number, remove: number, insert: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
}

/** Calls `read` with changed messages; it may throw a BerthError and nothing else. Gives those that it took. */
function fuzz(messages: readonly Buffer[], read: (bytes: Buffer) => void): readonly Buffer[] {
  const below = generator(seed);
  const taken: Buffer[] = [];
  for (let round = 0; round < rounds; round += 1) {
    let bytes = messages[below(messages.length)]!;
    for (let times = 1 + below(2); times > 0; times -= 1) bytes = bytes.length === 0 ? bytes : changes[below(changes.length)]!(bytes, below);
    try {
      read(bytes);
      taken.push(bytes);
    } catch (error) {
      if (!(error instanceof BerthError)) throw new Error(`round ${round} of seed ${seed}: ${String(error)}: ${bytes.toString('hex')}`, { cause: error });
    }
  }
  return taken;
}

const [acme, root, edwards] = [await party('acme'), await party('root', { isCa: true }), await party('edwards', { algorithm: 'ed25519' })];
const leaf = await party('leaf', { issuer: root });

test('no changed message is taken with a signature that nobody made', async () => {
  const plain = await signedBy(acme, { signedAt: now });
  const both = await addSigner(plain, manifest, { ...edwards, chain: [] });
  const chained = await sign(manifest, { ...leaf, chain: [root.certificate] });
  const messages = [plain, both, chained];
  const authorities = [authority('acme', acme), authority('root', root), authority('edwards', edwards)];
  const taken = fuzz(messages, (bytes) => hear(bytes, claim(bytes).manifest, () => ({ name: 'web', version: '1' }), policy(authorities)));
  // Some of a message is not signed: a spare certificate, the order of signers. Whatever counts was made by a signer.
  const made = messages.flatMap(signaturesIn);
  for (const bytes of taken) for (const signature of signaturesIn(bytes)) assert.ok(made.includes(signature), bytes.toString('hex'));
});

/** What is signed and the signature, of each signer. */
function signaturesIn(message: Buffer): readonly string[] {
  return readSignedMessage(message, 'message').signers.map(({ attributes, signature }) => `${hex(attributes!.bytes)} ${hex(signature)}`);
}

test('changed certificates, revocation lists and recall lists end in a BerthError or are read', async () => {
  fuzz([acme, root, leaf, edwards].map(({ certificate }) => Buffer.from(certificate.der)), (bytes) => readCertificate(bytes, 'certificate'));
  const crl = await crlOf(root, { thisUpdate: now, nextUpdate: now + 1000, revoked: [leaf.certificate] });
  fuzz([Buffer.from(readPem(crl, 'X509 CRL', 'list')[0]!)], (bytes) => parseCrl(bytes.toString('base64'), 'list'));
  const list = await sign(Buffer.from('{"authority":"acme","issued":"2026-06-01T00:00:00Z","sequence":1,"recalls":[{"app":"web","reason":"x"}]}'), { ...acme, chain: [] }, true);
  fuzz([list], (bytes) => verifyRecallList(bytes, { authorities: [authority('acme', acme)], time: { now, isKnown: true }, known: () => undefined }));
});
