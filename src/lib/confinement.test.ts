import assert from 'node:assert/strict';
import { spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Confinement, endStrays } from './confinement.ts';

const skip = process.getuid?.() === 0 ? false : 'namespaces need root';
if (skip !== false && process.env['CI'] !== undefined) throw new Error(`${skip}, and in CI they must be tested`);

/** Nobody has these on the machine that runs the test. */
const root = 0x7fff_0000 - 5 * 65_536;
const other = root + 65_536;

interface Place {
  readonly confinement: Confinement;
  readonly directory: string;
  readonly writable: string;
  /** Runs a shell script in it. */
  sh(script: string): SpawnSyncReturns<string>;
}

/** A confinement that may write to one directory, read another, and see neither a third nor the parent of them. */
async function open(t: TestContext): Promise<Place> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-confined-'));
  t.after(() => { rmSync(directory, { recursive: true }); });
  chmodSync(directory, 0o777);
  for (const name of ['writable', 'readable', 'hidden']) {
    mkdirSync(join(directory, name));
    // So that it is not the modes that keep it out.
    chmodSync(join(directory, name), 0o777);
    writeFileSync(join(directory, name, 'file'), name, { mode: 0o666 });
  }
  const writable = join(directory, 'writable');
  const ids = [{ inside: 0, outside: root, count: 65_536 }, { inside: other, outside: other, count: 65_536 }];
  const confinement = await Confinement.open({ ids, readable: [join(directory, 'readable')], writable: [writable] });
  t.after(() => { confinement[Symbol.dispose](); });
  const sh = (script: string): SpawnSyncReturns<string> => {
    const { command, args } = confinement.run({ command: 'sh', args: ['-c', script] });
    return spawnSync(command, args, { encoding: 'utf8' });
  };
  return { confinement, directory, writable, sh };
}

test('a child is root of its own users, and can give files only to those that it has', { skip }, async (t) => {
  const { sh, writable } = await open(t);
  const { status, stdout, stderr } = sh(`id -u; id -g; touch ${writable}/mine ${writable}/theirs; chown ${other + 7}:${other + 8} ${writable}/theirs; chown ${other + 65_536} ${writable}/mine; exit 3`);
  assert.deepEqual([status, stdout], [3, '0\n0\n']);
  assert.match(stderr, /Invalid argument/);
  const [mine, theirs] = ['mine', 'theirs'].map((name) => lstatSync(join(writable, name)));
  assert.deepEqual([mine!.uid, mine!.gid, theirs!.uid, theirs!.gid], [root, root, other + 7, other + 8]);
});

test('a child sees what it was given, and can change nothing else, whatever it mounts', { skip }, async (t) => {
  const { sh, directory } = await open(t);
  assert.equal(sh(`ls ${directory}`).stdout, 'readable\nwritable\n');
  assert.equal(sh('ls /').stdout.includes('home'), false);
  assert.equal(sh('ls -A /.host').stdout, '');
  const attempts = [
    `echo x > ${directory}/readable/file`, `echo x > ${directory}/new`, 'echo x > /new', 'echo x > /usr/new', 'echo x > /tmp/new', 'echo x > /dev/new',
    `mount -o remount,rw,bind ${directory}/readable`, 'mount -o remount,rw /', 'umount /proc', 'echo h > /proc/sysrq-trigger',
    `unshare -m sh -c 'mount -o remount,rw,bind ${directory}/readable && echo x > ${directory}/readable/file'`,
    `unshare -m umount /proc`, 'mknod /tmp/disk b 8 0', `mknod ${directory}/writable/disk b 8 0`, 'chroot /proc/1/root ls /', 'nsenter --mount=/proc/1/ns/mnt true', 'kill -9 1',
  ];
  for (const attempt of attempts) assert.notEqual(sh(attempt).status, 0, attempt);
  assert.equal(readFileSync(join(directory, 'readable/file'), 'utf8'), 'readable');
  assert.equal(sh("tail -n +3 /proc/net/dev | awk '{print $1}'; tail -n +2 /proc/net/route").stdout, 'lo:\n');
  assert.equal(sh('cat /proc/[0-9]*/cmdline').stdout.includes(process.execPath), false, 'no processes of others');
});

test('nothing that a child has started outlives it, nor the one that kills it', { skip }, async (t) => {
  const { confinement, writable, sh } = await open(t);
  assert.equal(sh(`setsid sleep 1000 > /dev/null 2>&1 & echo started`).stdout, 'started\n');
  assert.deepEqual(inside(writable), []);

  const { command, args } = confinement.run({ command: 'sh', args: ['-c', 'setsid sh -c "sleep 1000; :" & echo started; sleep 1000; :'] });
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  assert.equal(inside(writable).length > 0, true);
  child.kill('SIGKILL');
  // Its output ends with the last that could write to it.
  await once(child, 'close');
  assert.deepEqual(inside(writable), []);
});

test('strays of an earlier daemon are ended, and those that are not of its place are left', { skip }, async (t) => {
  const { confinement, directory, writable } = await open(t);
  const { command, args } = confinement.run({ command: 'sh', args: ['-c', 'echo started; exec sleep 1000'] });
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  t.after(() => { child.kill('SIGKILL'); });
  await once(child.stdout, 'data');
  endStrays(root, join(directory, 'hidden'));
  endStrays(other, writable);
  assert.equal(inside(writable).length > 0, true);
  const ended = once(child, 'exit');
  endStrays(root, writable);
  assert.deepEqual(await ended, [137, null]);
});

test('a place that cannot be made is told, and no process is left of it', { skip }, async (t) => {
  const { directory } = await open(t);
  const before = holders();
  await assert.rejects(Confinement.open({ ids: [], readable: [join(directory, 'nothing')], writable: [] }), { code: 'unavailable', message: /nothing/ });
  await assert.rejects(Confinement.open({ ids: [{ inside: 0, outside: -1, count: 1 }], readable: [], writable: [] }));
  assert.deepEqual(holders(), before);
  assert.equal(existsSync('/sys/proc'), false);
});

test('what is given to a child may be owned by it without the way there being open to it', { skip }, async (t) => {
  const { sh, directory, writable } = await open(t);
  chmodSync(directory, 0o700);
  chownSync(writable, root, root);
  chmodSync(writable, 0o700);
  assert.equal(sh(`cat ${writable}/file`).stdout, 'writable');
});

/** Processes of the child's users that see a directory. */
function inside(path: string): readonly number[] {
  return pids().filter((pid) => {
    try {
      return lstatSync(`/proc/${pid}`).uid === root && readFileSync(`/proc/${pid}/mountinfo`, 'utf8').includes(` ${path} `);
    } catch {
      return false;
    }
  });
}

function holders(): readonly number[] {
  return pids().filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[3] === String(process.pid);
    } catch {
      return false;
    }
  });
}

function pids(): readonly number[] {
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}
