import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as x509 from '@peculiar/asn1-x509';
import { BerthError } from '../lib/errors.ts';
import { findChains } from './chain.ts';
import { addSigner } from './cms-writer.ts';
import { authority, claim, manifest, now, party, policy, signedBy, type Party } from './fixtures.ts';
import { crlOf, extension, reissued } from './forge.ts';
import { judgePackage } from './index.ts';
import type { Authority, TrustPolicy, Vouched } from './types.ts';

const day = 24 * 3600_000;
const compare = (a: string, b: string): number => Number(a) - Number(b);

async function judge(signature: Uint8Array | undefined, authorities: readonly Authority[], more: Partial<TrustPolicy> = {}, name = 'web'): Promise<Vouched> {
  return await judgePackage(signature === undefined ? { digest: claim(Buffer.alloc(0)).digest, manifest: () => [] } : claim(signature), { name, version: '1' }, policy(authorities, more), compare);
}

async function refused(reason: RegExp, ...of: Parameters<typeof judge>): Promise<void> {
  await assert.rejects(judge(...of), (error) => {
    assert.ok(error instanceof BerthError, String(error));
    assert.equal(error.code, 'untrusted');
    assert.match(error.message, reason);
    return true;
  });
}

async function also(signature: Uint8Array, { key, certificate }: Party, signedAt?: number): Promise<Buffer> {
  return await addSigner(signature, manifest, { key, certificate, chain: [], ...(signedAt === undefined ? {} : { signedAt }) });
}

test('an expired certificate, and one that is not valid yet', async () => {
  const [old, young] = [await party('old', { from: -20, to: -1 }), await party('young', { from: 1 })];
  await refused(/CN=old expired at 2026-05-31T00:00:00Z; have the package signed again/, await signedBy(old), [authority('acme', old)]);
  await refused(/CN=young is not valid before 2026-06-02T00:00:00Z, and it is 2026-06-01T00:00:00Z; check the clock/, await signedBy(young), [authority('acme', young)]);
});

test('without a clock, what has expired has expired, and what is not valid yet may be; a strict policy refuses both', async () => {
  const [old, young] = [await party('old', { to: -1 }), await party('young', { from: 1 })];
  const unknown = { time: { now, isKnown: false } };
  await refused(/expired/, await signedBy(old), [authority('acme', old)], unknown);
  assert.equal((await judge(await signedBy(young), [authority('acme', young)], unknown)).authority, 'acme');
  const good = await party('good');
  await refused(/does not know the time/, await signedBy(good), [authority('acme', good)], { ...unknown, unknownTime: 'refuse' });
  await judge(await signedBy(good), [authority('acme', good)], { unknownTime: 'refuse' });
});

test('an authority signs nothing after its end', async () => {
  const acme = await party('acme');
  await refused(/acme has signed nothing that counts since 2026-05-31/, await signedBy(acme), [authority('acme', acme, { until: now - day })]);
  await judge(await signedBy(acme), [authority('acme', acme, { until: now + day })]);
});

test("a witness's signing time keeps an expired certificate good, if the witness is good itself", async () => {
  const publisher = await party('publisher', { from: -100, to: -50 });
  const [witness, stranger, expired] = [await party('witness'), await party('stranger'), await party('expired', { from: -100, to: -1 })];
  const mine = authority('acme', publisher, { witnesses: ['notary'] });
  const signature = await signedBy(publisher);
  const notary = authority('notary', witness, { apps: [] });
  const told = await judge(await also(signature, witness, now - 60 * day), [mine, notary]);
  assert.deepEqual(told.signers.map(({ authority }) => authority), ['acme', 'notary']);
  await refused(/expired/, await also(signature, witness, now - 40 * day), [mine, notary]);
  await refused(/expired/, await also(signature, witness, now + 60 * day), [mine, notary]);
  await refused(/expired/, await also(signature, witness), [mine, notary]);
  await refused(/expired/, await also(signature, stranger, now - 60 * day), [mine, notary]);
  await refused(/expired/, await also(signature, expired, now - 60 * day), [mine, authority('notary', expired, { apps: [] })]);
  await refused(/expired/, await also(signature, witness, now - 60 * day), [authority('acme', publisher), notary]);
  // A publisher is no witness of its own, whatever it is called.
  const current = await party('current');
  await refused(/has signed nothing that counts/, await signedBy(current, { signedAt: now - 2 * day }), [authority('acme', current, { until: now - day, witnesses: ['notary'] }), authority('notary', current, { apps: [] })]);
  await refused(/expired/, await signedBy(publisher, { signedAt: now - 60 * day }), [authority('acme', publisher, { witnesses: ['acme'] })]);
});

test('a witness of the future makes nothing good before its time', async () => {
  const [young, witness] = [await party('young', { from: 1 }), await party('witness')];
  await refused(/is not valid before/, await also(await signedBy(young), witness, now + 2 * day), [authority('acme', young, { witnesses: ['notary'] }), authority('notary', witness, { apps: [] })]);
});

test('a revoked certificate, also a CA\'s, whatever a witness says', async () => {
  const root = await party('root', { isCa: true });
  const middle = await party('middle', { isCa: true, issuer: root });
  const leaf = await party('leaf', { issuer: middle });
  const [sound, other] = [await crlOf(root, { thisUpdate: now - day, nextUpdate: now + day }), await crlOf(middle, { thisUpdate: now - day, nextUpdate: now + day, revoked: [root.certificate] })];
  const signature = await signedBy(leaf, { chain: [middle.certificate] });
  assert.equal((await judge(signature, [authority('acme', root, { crls: [sound, other] })])).authority, 'acme');
  const revokedLeaf = await crlOf(middle, { thisUpdate: now - day, nextUpdate: now + day, revoked: [leaf.certificate] });
  await refused(/CN=leaf \(serial [0-9a-f]+\) has been revoked by CN=middle/, signature, [authority('acme', root, { crls: [sound, revokedLeaf] })]);
  const revokedMiddle = await crlOf(root, { thisUpdate: now - day, nextUpdate: now + day, revoked: [middle.certificate] });
  await refused(/CN=middle .* has been revoked by CN=root/, signature, [authority('acme', root, { crls: [revokedMiddle] })]);
});

test('a revocation list that is stale, forged, or only in part', async () => {
  const root = await party('root', { isCa: true });
  const [leaf, mallory] = [await party('leaf', { issuer: root }), await party('root', { isCa: true })];
  const signature = await signedBy(leaf);
  const stale = await crlOf(root, { thisUpdate: now - 2 * day, nextUpdate: now - day });
  await refused(/should have been replaced by 2026-05-31/, signature, [authority('acme', root, { crls: [stale] })]);
  await judge(signature, [authority('acme', root, { crls: [stale], staleCrls: 'accept' })]);
  await judge(signature, [authority('acme', root, { crls: [stale, await crlOf(root, { thisUpdate: now - day, nextUpdate: now + day })] })]);
  const staleButTrue = await crlOf(root, { thisUpdate: now - 2 * day, nextUpdate: now - day, revoked: [leaf.certificate] });
  await refused(/revoked/, signature, [authority('acme', root, { crls: [staleButTrue], staleCrls: 'accept' })]);
  const fresh = { thisUpdate: now - day, nextUpdate: now + day };
  await refused(/is not signed by any certificate of that name/, signature, [authority('acme', root, { crls: [await crlOf(mallory, { ...fresh, inNameOf: root })] })]);
  await refused(/critical extension 2\.5\.29\.27/, signature, [authority('acme', root, { crls: [await crlOf(root, { ...fresh, criticalExtension: '2.5.29.27' })] })]);
  await refused(/an entry with a critical extension/, signature, [authority('acme', root, { crls: [await crlOf(root, { ...fresh, revoked: [root.certificate], criticalEntryExtension: '2.5.29.29' })] })]);
  for (const revoked of [[], [leaf.certificate]]) {
    await refused(/revocation list/, signature, [authority('acme', root, { crls: [await crlOf(root, { thisUpdate: now, revoked })] })]);
  }
});

test('chains: a path that is too long, a CA that is none, a CA that may not issue', async () => {
  const root = await party('root', { isCa: true, pathLength: 0 });
  const middle = await party('middle', { isCa: true, issuer: root });
  const leaf = await party('leaf', { issuer: middle });
  await refused(/no authority of this device stands behind it/, await signedBy(leaf, { chain: [middle.certificate] }), [authority('acme', root)]);
  await judge(await signedBy(await party('direct', { issuer: root })), [authority('acme', root)]);
  // An ordinary signer plays the CA; its certificate does not say for what it may be used.
  const wide = await party('wide', { isCa: true });
  const signer = await reissued(await party('signer', { issuer: wide }), withoutKeyUsage, wide);
  const caLike: Party = { key: signer.key, certificate: { ...signer.certificate, isCa: true } };
  const below = await party('below', { issuer: caLike });
  await judge(await signedBy(signer), [authority('acme', wide)]);
  await refused(/no authority of this device stands behind it/, await signedBy(below, { chain: [signer.certificate] }), [authority('acme', wide)]);
});

function withoutKeyUsage(tbs: x509.TBSCertificate): void {
  tbs.extensions = new x509.Extensions(tbs.extensions!.filter(({ extnID }) => extnID !== x509.id_ce_keyUsage));
}

test('a certificate in the name of a CA that has not signed it', async () => {
  const root = await party('root', { isCa: true });
  const forged = await reissued(await party('leaf', { issuer: root }), () => undefined, await party('mallory'));
  await refused(/no authority of this device stands behind it/, await signedBy(forged), [authority('acme', root)]);
});

test('six certificates make a chain, seven do not', async () => {
  const chain = [await party('root', { isCa: true })];
  for (let i = 1; i < 6; i += 1) chain.unshift(await party(`ca ${i}`, { isCa: true, issuer: chain[0]! }));
  const of = async (issuer: number): Promise<Buffer> => await signedBy(await party('leaf', { issuer: chain[issuer]! }), { chain: chain.slice(issuer, -1).map(({ certificate }) => certificate) });
  await judge(await of(1), [authority('acme', chain.at(-1)!)]);
  await refused(/no authority of this device stands behind it/, await of(0), [authority('acme', chain.at(-1)!)]);
});

test('so many CAs of one name that the issuer cannot be found in bounded time', async () => {
  const root = await party('root', { isCa: true });
  const leaf = await party('leaf', { issuer: root });
  const others = await Promise.all(Array.from({ length: 20 }, () => party('root', { isCa: true })));
  // Without the key identifier, each of the name could be the issuer.
  const { authorityKeyId: _, ...unidentified } = leaf.certificate;
  assert.throws(() => findChains(unidentified, others.map(({ certificate }) => certificate), []), { code: 'untrusted', message: /so many others that its issuers cannot be told/ });
  assert.equal(findChains(unidentified, others.map(({ certificate }) => certificate), [root.certificate]).length, 1);
});

test('a CA signs no packages, and its certificate must hold at every level', async () => {
  const root = await party('root', { isCa: true });
  await refused(/is not for signatures/, await signedBy(root), [authority('acme', root)]);
  const oldRoot = await party('old root', { isCa: true, to: -1 });
  await refused(/CN=old root expired/, await signedBy(await party('leaf', { issuer: oldRoot })), [authority('acme', oldRoot)]);
});

test('what a certificate is for: extended key usage, critical extensions', async () => {
  const acme = await party('acme');
  const withExtension = async (...added: x509.Extension[]): Promise<Party> => await reissued(acme, (tbs) => tbs.extensions!.push(...added));
  const usage = (...oids: string[]): x509.Extension => extension(x509.id_ce_extKeyUsage, new x509.ExtendedKeyUsage(oids));
  for (const [added, reason] of [
    [usage(x509.id_kp_serverAuth, x509.id_kp_emailProtection), /its extendedKeyUsage has no codeSigning/],
    [extension('1.2.3.4', Buffer.from('3000', 'hex')), /a critical extension that Berth does not know: 1\.2\.3\.4/],
    [extension(x509.id_ce_nameConstraints, Buffer.from('3000', 'hex')), /a critical extension that Berth does not know/],
  ] as const) {
    const signer = await withExtension(added);
    await refused(reason, await signedBy(signer), [authority('acme', signer)]);
  }
  for (const added of [usage(x509.id_kp_codeSigning), usage(x509.anyExtendedKeyUsage), extension('1.2.3.4', Buffer.from('3000', 'hex'), false)]) {
    const signer = await withExtension(added);
    await judge(await signedBy(signer), [authority('acme', signer)]);
  }
  await assert.rejects(withExtension(extension('1.2.3.4', Buffer.from('3000', 'hex')), extension('1.2.3.4', Buffer.from('3000', 'hex'))), /it has an extension twice/);
});

test('a CA that may not sign certificates, or no revocation lists', async () => {
  const plain = await party('root', { isCa: true });
  const usage = (flags: number) => (tbs: x509.TBSCertificate): void => {
    tbs.extensions = new x509.Extensions([...tbs.extensions!.filter(({ extnID }) => extnID !== x509.id_ce_keyUsage), extension(x509.id_ce_keyUsage, new x509.KeyUsage(flags))]);
  };
  const { cRLSign, keyCertSign } = x509.KeyUsageFlags;
  const [noCertificates, noLists] = [await reissued(plain, usage(cRLSign)), await reissued(plain, usage(keyCertSign))];
  await refused(/no authority of this device stands behind it/, await signedBy(await party('leaf', { issuer: noCertificates })), [authority('acme', noCertificates)]);
  const signature = await signedBy(await party('leaf', { issuer: noLists }));
  await judge(signature, [authority('acme', noLists)]);
  await refused(/is not signed by any certificate of that name/, signature, [authority('acme', noLists, { crls: [await crlOf(noLists, { thisUpdate: now, nextUpdate: now + day })] })]);
});

test('the right CA, but the wrong app', async () => {
  const root = await party('root', { isCa: true });
  const signature = await signedBy(await party('leaf', { issuer: root }));
  await refused(/authority acme \(which may sign acme-\*, shop\); no authority of this device may sign an app of this name/, signature, [authority('acme', root, { apps: ['acme-*', 'shop'] })]);
  await refused(/only other may sign an app of this name/, signature, [authority('acme', root, { apps: [] }), authority('other', await party('other'))]);
});

test('of several authorities, the one that names the app most closely vouches', async () => {
  const acme = await party('acme');
  const signature = await signedBy(acme);
  const of = async (...patterns: (readonly [string, string])[]): Promise<string | undefined> => (await judge(signature, patterns.map(([name, pattern]) => authority(name, acme, { apps: [pattern] })), {}, 'acme-web')).authority;
  assert.equal(await of(['a', '*'], ['b', 'acme-*'], ['c', 'acme-web']), 'c');
  assert.equal(await of(['a', '*'], ['b', 'acme-*']), 'b');
  assert.equal(await of(['b', 'acme-*'], ['a', '*-web'], ['c', 'acme-*']), 'b');
  assert.equal(await of(['z', 'acme-w*'], ['y', 'acme-w*']), 'y');
});

test('countersigners: so many of so many, each signer once', async () => {
  const [acme, one, two] = [await party('acme'), await party('one'), await party('two')];
  const authorities = [authority('acme', acme, { countersigners: [{ need: 2, of: ['one', 'two', 'three'] }] }), authority('one', one, { apps: [] }), authority('two', two, { apps: [] }), authority('three', two, { apps: [] })];
  const alone = await also(await signedBy(acme), two);
  await refused(/countersigned by 2 of one, two, three, and is by 1/, alone, authorities);
  assert.deepEqual((await judge(await also(alone, one), authorities)).signers.map(({ authority }) => authority), ['acme', 'one', 'two']);
  // The publisher does not count for itself.
  await refused(/countersigned by 1 of acme/, await signedBy(acme), [authority('acme', acme, { countersigners: [{ need: 1, of: ['acme'] }] })]);
});

test('an authority that cannot be read vouches for nothing, and does not disturb others', async () => {
  const acme = await party('acme');
  const broken: Authority = { ...authority('broken', acme), certificates: ['nothing'] };
  assert.equal((await judge(await signedBy(acme), [broken, authority('acme', acme)])).authority, 'acme');
  await refused(/authority broken: certificate: no "-----BEGIN CERTIFICATE-----" in it/, await signedBy(acme), [broken]);
});

test('unsigned packages only where they are allowed', async () => {
  const of = async (allowUnsigned: boolean): Promise<Vouched> => await judgePackage(claim(undefined), { name: 'web', version: '1' }, policy([], { allowUnsigned }), compare);
  assert.deepEqual(await of(true), { signers: [] });
  await assert.rejects(of(false), /web 1 is not signed, and this device takes only signed packages/);
});

test('who a package is, is asked only after its signatures are good', async () => {
  const [acme, shop] = [await party('acme'), await party('shop')];
  const wrong = await signedBy({ key: shop.key, certificate: acme.certificate });
  await assert.rejects(judgePackage(claim(wrong), () => assert.fail('asked'), policy([authority('acme', acme)]), compare), { code: 'untrusted' });
});

test('recalled versions: by the authority that vouches, and of nobody\'s image by whoever may sign an app of its name', async () => {
  const acme = await party('acme');
  const signature = await signedBy(acme);
  const authorities = [authority('acme', acme), authority('other', await party('other'), { apps: ['*'] })];
  const { digest } = claim(signature);
  const why = { reason: 'it burns' };
  for (const recall of [{ digest }, { app: 'web', digest }, { app: 'web' }, { app: 'web', versions: '= 1' }, { app: 'web', versions: '<< 2' }]) {
    await refused(/web 1 was recalled by acme: it burns/, signature, authorities, { recalls: [{ authority: 'acme', ...recall, ...why }] });
    await judge(signature, authorities, { recalls: [{ authority: 'other', ...recall, ...why }] });
    await judge(signature, authorities, { recalls: [{ authority: 'gone', ...recall, ...why }] });
    await refused(/web 1 was recalled by other: it burns/, undefined, authorities, { allowUnsigned: true, recalls: [{ authority: 'other', ...recall, ...why }] });
  }
  for (const recall of [{ app: 'web', versions: '>> 1' }, { app: 'shop' }, { app: 'shop', digest }, {}]) {
    await judge(signature, authorities, { recalls: [{ authority: 'acme', ...recall, ...why }] });
  }
});
