/** Paths of the host that an app may see: read-only unless said, and never out of what the operator lists. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { grantHostPath, hostPathMount } from '../src/policy/host-paths.ts';
import { Decisions } from '../src/policy/decisions.ts';
import { Request } from '../src/policy/request.ts';
import type { HostPathRight } from '../src/policy/index.ts';
import { whyNoContainers } from './support/berthd.ts';
import { RuntimeBench } from './support/runtime-bench.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };
const idBase = 0x7000_0000 + 65_536;

/** A directory of the operator's, in which every user may write. */
function shelf(t: TestContext): string {
  const directory = mkdtempSync('/var/tmp/berth-host-');
  t.after(() => {
    execFileSync('sh', ['-c', `umount -l ${directory}/open/other 2>/dev/null || true`]);
    rmSync(directory, { recursive: true });
  });
  chmodSync(directory, 0o711);
  mkdirSync(join(directory, 'open'));
  chmodSync(join(directory, 'open'), 0o777);
  writeFileSync(join(directory, 'open/greeting'), 'hello\n');
  writeFileSync(join(directory, 'secret'), 'hidden\n');
  return directory;
}

/** Runs a script that sees `source` at /here; gives its output. */
async function see(bench: RuntimeBench, source: string, rights: readonly HostPathRight[], script: string, mountOptions: readonly string[] = ['bind', 'ro'], user: object = { idBase }): Promise<readonly string[]> {
  const grant = grantHostPath(new Request({ destination: '/here', type: 'bind', source, options: mountOptions }, 'mounts[0]'), { hostPaths: rights }, new Decisions());
  assert.ok(grant);
  mkdirSync(join(bench.directory, 'rootfs/here'), { recursive: true });
  const record = await bench.start(script, { ...user, hostPaths: [grant], mounts: [hostPathMount(grant)] });
  await bench.exit(record);
  const lines = (await bench.lines('demo')).map(({ text }) => text);
  await bench.runtime.remove(record.id);
  await bench.runtime.forget('demo');
  return lines;
}

for (const [namespace, user] of [['in a user namespace', { idBase }], ['without one', {}]] as const) {
  test(`what is listed for reading is read, not written; ${namespace}`, options, async (t) => {
    const directory = shelf(t);
    const rights: readonly HostPathRight[] = [{ path: directory, access: 'read' }];
    await using bench = await RuntimeBench.open();
    const attempts = 'cat /here/greeting; for c in "touch /here/x" "rm /here/greeting" "busybox mount -o remount,rw,bind /here" "chmod 777 /here"; do $c 2>/dev/null && echo "did $c"; done; echo over';
    assert.deepEqual(await see(bench, `${directory}/open`, rights, attempts, ['bind', 'ro'], user), ['hello', 'over']);
    assert.deepEqual(readdirSync(`${directory}/open`), ['greeting']);
  });
}

test('what is listed for writing is written, with the rights that its files give to others', options, async (t) => {
  const directory = shelf(t);
  await using bench = await RuntimeBench.open();
  const script = 'echo more > /here/open/new; cat /here/secret; echo x 2>/dev/null >> /here/secret || echo refused';
  assert.deepEqual(await see(bench, directory, [{ path: directory, access: 'write' }], script, ['bind']), ['hidden', 'refused']);
  assert.equal(readFileSync(`${directory}/open/new`, 'utf8'), 'more\n');
});

test('programs of the host run only where that was asked for', options, async (t) => {
  const directory = shelf(t);
  writeFileSync(`${directory}/open/program`, '#!/bin/sh\necho ran\n');
  chmodSync(`${directory}/open/program`, 0o755);
  await using bench = await RuntimeBench.open();
  const rights: readonly HostPathRight[] = [{ path: directory, access: 'read' }];
  assert.deepEqual(await see(bench, `${directory}/open`, rights, '/here/program 2>/dev/null || echo refused'), ['refused']);
  assert.deepEqual(await see(bench, `${directory}/open`, rights, '/here/program', ['bind', 'ro', 'exec']), ['ran']);
});

test('a link leads nowhere out of what is listed, and links of the operator\'s own are followed', options, async (t) => {
  const directory = shelf(t);
  symlinkSync('../secret', `${directory}/open/link`);
  symlinkSync('/', `${directory}/open/root`);
  symlinkSync(`${directory}/open`, `${directory}/elsewhere`);
  await using bench = await RuntimeBench.open();
  const open: readonly HostPathRight[] = [{ path: `${directory}/open`, access: 'read' }];
  await assert.rejects(see(bench, `${directory}/open/link`, open, 'true'), /demo cannot be started: .*\/open\/link, which leads to .*\/secret, is not in .*\/open, which the policy lists/);
  await assert.rejects(see(bench, `${directory}/open/root/etc`, open, 'true'), /leads to \/etc, is not in/);
  assert.deepEqual(await see(bench, `${directory}/elsewhere`, [{ path: `${directory}/elsewhere`, access: 'read' }], 'cat /here/greeting'), ['hello']);
  // In the container a link is the container's own matter.
  assert.deepEqual(await see(bench, `${directory}/open`, open, 'cat /here/link 2>/dev/null; ls -d /here/root/here'), ['/here/root/here']);
});

test('nobody sees the kernel\'s file systems, Berth\'s own directories, or what holds them', options, async (t) => {
  const directory = shelf(t);
  await using bench = await RuntimeBench.open({ forbidden: [`${directory}/open`] });
  const all: readonly HostPathRight[] = [{ path: '/', access: 'read' }];
  symlinkSync('/proc/1', `${directory}/kernel`);
  for (const [path, why] of [
    [`${bench.directory}/r/bundles`, /is in .*\/r, of which no app sees anything/],
    [bench.directory, /holds .*\/r, of which/],
    [`${directory}/open/greeting`, /is in .*\/open, of which/],
    [directory, /holds .*\/open, of which/],
    [`${directory}/kernel`, /leads to \/proc\/1, is in \/proc/],
  ] as const) {
    await assert.rejects(see(bench, path, all, 'true'), why, path);
  }
  await assert.rejects(see(bench, `${directory}/nothing`, all, 'true'), /cannot be opened: ENOENT/);
});

test('other file systems below are not dragged along, nor shown when they come later', options, async (t) => {
  const directory = shelf(t);
  mkdirSync(`${directory}/open/other`);
  await using bench = await RuntimeBench.open();
  const rights: readonly HostPathRight[] = [{ path: directory, access: 'read' }];
  const grant = grantHostPath(new Request({ destination: '/here', type: 'bind', source: `${directory}/open`, options: ['ro'] }, 'mounts[0]'), { hostPaths: rights }, new Decisions())!;
  mkdirSync(join(bench.directory, 'rootfs/here'));
  const record = await bench.start('while [ ! -e /here/go ]; do sleep 0.05; done; ls -A /here/other; echo over', { idBase, hostPaths: [grant], mounts: [hostPathMount(grant)] });
  execFileSync('mount', ['-t', 'tmpfs', 'berth', `${directory}/open/other`]);
  writeFileSync(`${directory}/open/other/later`, '');
  writeFileSync(`${directory}/open/go`, '');
  await bench.exit(record);
  assert.deepEqual((await bench.lines('demo')).map(({ text }) => text), ['over']);
  await bench.runtime.remove(record.id);
  await assert.rejects(see(bench, `${directory}/open`, rights, 'true'), /holds another file system, mounted at .*\/open\/other/);
});
