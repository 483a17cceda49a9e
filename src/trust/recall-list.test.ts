import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addSigner, sign } from './cms-writer.ts';
import { authority, now, party, type Party } from './fixtures.ts';
import { verifyRecallList, type RecallJudgement, type RecallList } from './index.ts';
import { signRecallList } from './recall-list.ts';

const acme = await party('acme');
const digest = `sha256:${'a'.repeat(64)}`;
const document = {
  authority: 'acme',
  issued: '2026-06-01T00:00:00Z',
  sequence: 7,
  recalls: [
    { app: 'web', versions: '<< 2.0', reason: 'leaks' },
    { app: 'web', digest, reason: 'burns' },
    { app: 'bank', reason: 'not ours' },
  ],
};

async function signed(by: Party = acme, change: object = {}): Promise<Buffer> {
  return await signRecallList(Buffer.from(JSON.stringify({ ...document, ...change })), { ...by, chain: [] });
}

async function verify(list: Uint8Array, more: Partial<RecallJudgement> = {}): Promise<RecallList> {
  return await verifyRecallList(list, { authorities: [authority('acme', acme), authority('bank', acme, { apps: ['bank'] })], time: { now, isKnown: true }, known: () => undefined, ...more });
}

test('a recall list says what its authority recalls, and nothing about the apps of others', async () => {
  const list = await verify(await signed());
  assert.equal(list.sequence, 7);
  assert.deepEqual(list.recalls, [
    { authority: 'acme', app: 'web', versions: '<< 2.0', reason: 'leaks' },
    { authority: 'acme', app: 'web', digest, reason: 'burns' },
  ]);
  assert.deepEqual(list.foreign, ['bank']);
});

test('its sequence never goes back', async () => {
  await assert.rejects(verify(await signed(), { known: (name) => (name === 'acme' ? 8 : undefined) }), { code: 'conflict', message: /sequence 7, and number 8 is held/ });
  await verify(await signed(), { known: () => 7 });
});

test('a list by another signer, of an unknown authority, by an expired certificate, or changed', async () => {
  await assert.rejects(verify(await signed(await party('acme'))), { code: 'untrusted', message: /not a signer of that authority/ });
  await assert.rejects(verify(Buffer.from(JSON.stringify(document))), { code: 'untrusted', message: /is not signed; sign it with `berth sign --recalls`/ });
  await assert.rejects(verify(await signed(acme, { authority: 'nobody' })), { code: 'untrusted', message: /no authority of this device/ });
  const old = await party('old', { to: -1 });
  await assert.rejects(verify(await signed(old), { authorities: [authority('acme', old)] }), { code: 'untrusted', message: /expired/ });
  const list = await signed();
  const at = list.indexOf('leaks');
  list.write('leaky', at);
  await assert.rejects(verify(list), { code: 'untrusted', message: /over other content/ });
});

test('an unknown time does not hold up a recall', async () => {
  const young = await party('young', { from: 1 });
  const list = await verify(await signed(young), { authorities: [authority('acme', young)], time: { now, isKnown: false } });
  assert.equal(list.recalls.length, 2);
});

test('what is no recall list', async () => {
  const of = async (text: string): Promise<RecallList> => await verify(await sign(Buffer.from(text), { ...acme, chain: [] }, true));
  await assert.rejects(of('{'), { code: 'untrusted', message: /is not JSON/ });
  await assert.rejects(of('[]'), { code: 'untrusted' });
  for (const [change, key] of [[{ sequence: 0 }, 'sequence'], [{ sequence: '7' }, 'sequence'], [{ issued: 'now' }, 'issued'], [{ more: 1 }, 'more'], [{ recalls: [{ app: 'web', versions: '2.0', reason: 'x' }] }, 'recalls.0.versions'], [{ recalls: [{ reason: 'x' }] }, 'recalls.0.app'], [{ recalls: [{ app: 'web', versions: '= 1', digest, reason: 'x' }] }, 'recalls.0']] as const) {
    await assert.rejects(of(JSON.stringify({ ...document, ...change })), { code: 'untrusted', message: new RegExp(`recall list: ${RegExp.escape(key)}: `) });
  }
  await assert.rejects(verify(await sign(Buffer.from('{}'), { ...acme, chain: [] })), { code: 'untrusted', message: /holds no content/ });
});

test('a recall list is no signature of a package, and takes no signature of another content', async () => {
  const list = await signed();
  await assert.rejects(addSigner(list, Buffer.from('other'), { ...acme, chain: [] }), { code: 'conflict' });
});
