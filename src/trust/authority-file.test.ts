import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../lib/process.ts';
import { now, party, pemOf } from './fixtures.ts';
import { crlOf } from './forge.ts';
import { readAuthorities } from './index.ts';

const root = await mkdtemp(join(tmpdir(), 'berth-authorities-'));
after(() => rm(root, { recursive: true, force: true }));

const acme = await party('acme', { isCa: true });
const crl = await crlOf(acme, { thisUpdate: now, nextUpdate: now + 1000 });

/** A directory with these files and `acme.pem`. */
async function directory(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const path = await mkdtemp(join(root, 'd-'));
  await mkdir(join(path, 'crls'));
  await writeFile(join(path, 'acme.pem'), pemOf(acme));
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text);
  return path;
}

test('a file with every key', async () => {
  const path = await directory({
    'crls/a.crl': crl,
    'crls/b.der': Buffer.from(crl.replaceAll(/-----.*-----|\s/g, ''), 'base64'),
    'acme.yaml': `
certificates: [acme.pem]
apps: [web, acme-*]
rights: { memory: 1 GiB }
countersigners: [{ need: 1, of: [shop, notary] }]
until: 2030-12-31T23:59:59Z
crls: [crls/a.crl, crls/b.der]
stale-crls: accept
witnesses: [notary]
successors: [acme2]
`,
  });
  const { authorities, faults } = await readAuthorities(path);
  assert.deepEqual(faults, []);
  const [{ crls, ...authority }] = authorities as [(typeof authorities)[0]];
  assert.deepEqual(authority, {
    name: 'acme',
    certificates: [pemOf(acme)],
    apps: ['web', 'acme-*'],
    rights: { memory: '1 GiB' },
    countersigners: [{ need: 1, of: ['shop', 'notary'] }],
    until: Date.UTC(2030, 11, 31, 23, 59, 59),
    staleCrls: 'accept',
    witnesses: ['notary'],
    successors: ['acme2'],
  });
  assert.equal(crls.length, 2);
  assert.deepEqual(JSON.parse(JSON.stringify(authorities)), authorities, 'it crosses to another process as JSON');
});

test('a broken file is told with its key, and disables only its own authority', async () => {
  const broken: Readonly<Record<string, readonly [string, RegExp]>> = {
    'no-certificate': ['apps: [web]', /either `certificate` or `certificates`/],
    'both': ['certificate: acme.pem\ncertificates: [acme.pem]\napps: []', /either `certificate` or `certificates`/],
    'unknown-key': ['certificate: acme.pem\napps: []\napp: x', /app: not a key that Berth knows/],
    'no-file': ['certificate: other.pem\napps: []', /there is no file other\.pem beside it/],
    'outside': ['certificate: ../acme.pem\napps: []', /certificate: not a path within the directory/],
    'absolute': ['certificate: /etc/ssl/ca.pem\napps: []', /not a path within the directory/],
    'inner-dots': ['certificate: crls/../../acme.pem\napps: []', /not a path within the directory/],
    'linked': ['certificate: link.pem\napps: []', /link\.pem is a link out of the directory/],
    'no-pem': ['certificate: no-pem.yaml\napps: []', /no "-----BEGIN CERTIFICATE-----" in it/],
    'app-names': ['certificate: acme.pem\napps: ["Web App"]', /apps\.0: not a pattern/],
    'until': ['certificate: acme.pem\napps: []\nuntil: soon', /until: not a time/],
    'until-date': ['certificate: acme.pem\napps: []\nuntil: 2030-13-01', /until: not a time/],
    'need': ['certificate: acme.pem\napps: []\ncountersigners: [{ need: 2, of: [a] }]', /countersigners\.0: `need` is more/],
    'small-key': ['certificate: small.pem\napps: []', /RSA with a key of 1024 bits/],
    'no-certificate-in-it': ['certificate: empty.pem\napps: []', /authority no-certificate-in-it: certificate|cannot be read/],
    'crl': ['certificate: acme.pem\napps: []\ncrls: [acme.pem]', /X509 CRL/],
    'yaml': ['certificate: [', /./],
    'Name': ['certificate: acme.pem\napps: []', /"Name" is not a name of an authority/],
  };
  const path = await directory({ ...Object.fromEntries(Object.entries(broken).map(([name, [text]]) => [`${name}.yaml`, text])), 'good.yaml': 'certificate: acme.pem\napps: [web]' });
  await writeFile(join(path, 'empty.pem'), '-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n');
  const { code, stderr } = await run('openssl', ['req', '-x509', '-newkey', 'rsa:1024', '-nodes', '-subj', '/CN=small', '-keyout', '/dev/null', '-out', join(path, 'small.pem')]);
  assert.equal(code, 0, stderr);
  await writeFile(join(root, 'outside.pem'), pemOf(acme));
  await symlink(join(root, 'outside.pem'), join(path, 'link.pem'));
  for (const thorough of [false, true]) {
    const { authorities, faults } = await readAuthorities(path, { thorough });
    assert.deepEqual(authorities.map(({ name }) => name), ['good']);
    assert.deepEqual(faults.map(({ name }) => name).toSorted(), Object.keys(broken).toSorted());
    for (const { name, message } of faults) {
      assert.match(message, broken[name]![1]);
      assert.ok(message.includes(`${name}.yaml`), message);
    }
  }
});

test('a revocation list that says only a part is found by a thorough look', async () => {
  const path = await directory({ 'part.crl': await crlOf(acme, { thisUpdate: now, nextUpdate: now + 1000, criticalExtension: '2.5.29.27' }), 'acme.yaml': 'certificate: acme.pem\napps: [web]\ncrls: [part.crl]' });
  assert.equal((await readAuthorities(path)).authorities.length, 1);
  const { authorities, faults } = await readAuthorities(path, { thorough: true });
  assert.equal(authorities.length, 0);
  assert.match(faults[0]!.message, /critical extension/);
});

test('a directory that is missing has no authorities', async () => {
  assert.deepEqual(await readAuthorities(join(root, 'none')), { authorities: [], faults: [] });
});
