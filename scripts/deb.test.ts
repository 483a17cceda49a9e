import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, suite, test } from 'node:test';
import { readConfig } from '../src/daemon/config.ts';
import { defaultLimits, unpackPayloadInChild } from '../src/image/index.ts';
import { run } from '../src/lib/process.ts';
import { buildBundles } from './build.ts';
import { buildDeb } from './deb.ts';

async function must(command: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(command, args);
  assert.equal(code, 0, `${command} ${args.join(' ')}: ${stderr}`);
  return stdout;
}

suite('the Debian package', () => {
  const directory = mkdtempSync('/var/tmp/berth-deb-');
  const root = join(directory, 'root');
  let deb: string;
  before(async () => {
    await buildBundles();
    deb = await buildDeb({ output: directory, compression: 'fast' });
    await must('dpkg-deb', '-x', deb, root);
  });
  after(() => {
    rmSync(directory, { recursive: true });
  });

  test('says what it is and what it needs', async () => {
    const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8')) as { version: string };
    assert.equal(await must('dpkg-deb', '-f', deb, 'Package', 'Version'), `Package: berth\nVersion: ${version}\n`);
    assert.match(await must('dpkg-deb', '-f', deb, 'Depends'), /conmon, runc \| crun, xz-utils/);
    assert.match(await must('dpkg-deb', '-I', deb, 'conffiles'), /^\/etc\/berth\/berthd\.yaml$/m);
  });

  test('owns everything as root, and lets nobody else write', async () => {
    const lines = (await must('dpkg-deb', '-c', deb)).trimEnd().split('\n');
    for (const line of lines) assert.match(line, /^[-d]r[w-][x-]r-[x-]r-[x-] root\/root /);
  });

  test('brings all that runs: every program answers with the Node of the package', async () => {
    const node = join(root, 'usr/lib/berth/node');
    assert.match(await must(node, join(root, 'usr/lib/berth/berthd.cjs'), '--version'), /^berthd \d/);
    assert.match(await must(node, join(root, 'usr/lib/berth/berth.cjs'), '--help'), /^usage: berth /);
    // The child that unpacks, with a payload of no bytes.
    const worker = { command: node, args: [join(root, 'usr/lib/berth/berthd-unpack.cjs')] };
    await assert.rejects(unpackPayloadInChild(Readable.from([]), undefined, { worker, limits: defaultLimits }), /the payload is empty/);
    for (const launcher of ['usr/bin/berth', 'usr/sbin/berthd']) {
      const [program] = /\/usr\/lib\/berth\/\w+\.cjs/.exec(readFileSync(join(root, launcher), 'utf8'))!;
      assert.ok(existsSync(join(root, program)), program);
    }
  });

  test('brings a configuration that berthd reads, also with every key taken out of its comment', async () => {
    const path = join(root, 'etc/berth/berthd.yaml');
    assert.equal((await readConfig(path, {})).socketGroup, 'berth');
    const all = join(directory, 'all.yaml');
    const text = readFileSync(path, 'utf8').replaceAll(/^#(?=(?: {2})?[a-z-]+:)/gm, '');
    writeFileSync(all, text);
    assert.equal(text.match(/^ *[a-z-]+:/gm)?.length, 43);
    // What stands in comments is the default.
    const { runtime, architectures, parallelStarts, reserveBytes, network, ...stated } = await readConfig(all, {});
    assert.deepEqual([runtime, architectures, parallelStarts, reserveBytes, network.bridge], ['runc', ['amd64', 'x86_64'], 2, 16 * 2 ** 20, 'berth0']);
    const { rotateBytes, keepBytes, ...logs } = stated.logs;
    assert.deepEqual([rotateBytes, keepBytes], [2 * 2 ** 20, 10 * 2 ** 20]);
    assert.deepEqual({ ...stated, logs, network: {} }, await readConfig(path, {}));
  });

  test('has maintainer scripts that a shell can read', async () => {
    await must('dpkg-deb', '-e', deb, join(directory, 'control'));
    for (const name of ['postinst', 'prerm', 'postrm']) await must('sh', '-n', join(directory, 'control', name));
  });

  test('is the same again', async () => {
    const again = await buildDeb({ output: join(directory, 'again'), compression: 'fast' });
    await must('cmp', deb, again);
  });

  test('has units that systemd accepts', { skip: existsSync('/usr/bin/systemd-analyze') ? false : 'systemd-analyze is not there' }, async () => {
    // What the units name besides their own, as a device has it.
    mkdirSync(join(root, 'bin'));
    writeFileSync(join(root, 'bin/true'), '#!/bin/sh\n', { mode: 0o755 });
    for (const target of ['basic', 'local-fs', 'multi-user', 'shutdown', 'sysinit']) {
      writeFileSync(join(root, `usr/lib/systemd/system/${target}.target`), `[Unit]\nDescription=${target}\n`);
    }
    const { code, stderr } = await run('systemd-analyze', ['verify', `--root=${root}`, '--man=no', 'berthd.service', 'berth-apps.service']);
    assert.deepEqual([code, stderr.split('\n').filter((line) => /berth/.test(line))], [0, []]);
  });
});
