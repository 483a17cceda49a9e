import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

const isRoot = process.getuid!() === 0;
const needsRoot = isRoot ? {} : { skip: 'needs root' };
/** Every program that setup looks for, so that a test may leave one out. */
const programs = ['chown', 'conmon', 'runc', 'mount', 'mkfs.ext4', 'mkfs.xfs', 'python3', 'xz', 'dpkg-deb', 'ar', 'busybox', 'fakeroot', 'dbus-send', 'gdbus', 'busctl', 'setfacl', 'xdg-dbus-proxy', 'openssl', 'zstd'];
const lock = { packages: { '': { version: '1' }, 'node_modules/a': { version: '1.0.0', integrity: 'x' }, 'node_modules/b': { version: '2.0.0', optional: true } } };

/** A checkout with stand-ins for npm and the system's programs, which write down how they were called. */
class Checkout {
  readonly root = mkdtempSync(join(tmpdir(), 'berth-setup-'));
  readonly bin = join(this.root, 'bin');
  readonly calls = join(this.root, 'calls');

  constructor(context: TestContext) {
    context.after(() => {
      rmSync(this.root, { recursive: true });
    });
    mkdirSync(this.bin);
    mkdirSync(join(this.root, 'scripts'));
    copyFileSync(join(import.meta.dirname, 'setup.mjs'), join(this.root, 'scripts', 'setup.mjs'));
    symlinkSync(process.execPath, join(this.bin, 'node'));
    this.write('package-lock.json', JSON.stringify(lock));
    for (const program of programs) this.program(program, '');
    this.program('npm', '');
    chmodSync(this.root, 0o755);
  }

  write(path: string, text: string): void {
    mkdirSync(join(this.root, path, '..'), { recursive: true });
    writeFileSync(join(this.root, path), text);
  }

  program(name: string, body: string): void {
    writeFileSync(join(this.bin, name), `#!/bin/sh\necho "${name} $*" >> ${this.calls}\n${body}\n`, { mode: 0o755 });
  }

  /** As if `npm ci` had been run for `packages`. */
  installed(packages: object): void {
    this.write('node_modules/.package-lock.json', JSON.stringify({ packages }));
    this.write('node_modules/node/bin/node', '');
    chmodSync(join(this.root, 'node_modules/node/bin/node'), 0o755);
  }

  run(purpose: string, { asNobody = false, env = {} } = {}): { code: number | null; text: string; calls: string } {
    const command = [process.execPath, join(this.root, 'scripts', 'setup.mjs'), purpose];
    if (asNobody && isRoot) command.unshift('setpriv', '--reuid=65534', '--regid=65534', '--clear-groups');
    const base = { PATH: `${this.bin}:/bin/none`, ...env };
    const absolute = command[0] === 'setpriv' ? '/usr/bin/setpriv' : command[0]!;
    const result = spawnSync(absolute, command.slice(1), { encoding: 'utf8', env: base });
    const calls = existsSync(this.calls) ? readFileSync(this.calls, 'utf8') : '';
    return { code: result.status, text: result.stdout + result.stderr, calls };
  }
}

const complete = { 'node_modules/a': lock.packages['node_modules/a'] };

test('setup is silent and changes nothing when all is there; optional packages for other machines may be absent', needsRoot, (context) => {
  const checkout = new Checkout(context);
  checkout.installed(complete);
  assert.deepEqual(checkout.run('test'), { code: 0, text: '', calls: '' });
});

test('setup fetches packages when there are none, and again after package-lock.json has changed', needsRoot, (context) => {
  const checkout = new Checkout(context);
  checkout.program('npm', `mkdir -p ${checkout.root}/node_modules/node/bin; cp ${checkout.bin}/xz ${checkout.root}/node_modules/node/bin/node`);
  assert.match(checkout.run('test').calls, /^npm ci /m);
  checkout.installed({ 'node_modules/a': { version: '0.9.0', integrity: 'x' } });
  rmSync(checkout.calls);
  assert.match(checkout.run('test').calls, /^npm ci /m);
  checkout.installed({ ...complete, 'node_modules/c': { version: '1.0.0' } });
  rmSync(checkout.calls);
  assert.match(checkout.run('test').calls, /^npm ci /m);
});

test('setup runs the install script of Node when npm has not, and fails if even then there is no Node', needsRoot, (context) => {
  const checkout = new Checkout(context);
  checkout.installed(complete);
  rmSync(join(checkout.root, 'node_modules/node/bin/node'));
  const { code, text, calls } = checkout.run('test');
  assert.equal(calls, 'npm rebuild node --ignore-scripts=false\n');
  assert.equal(code, 1);
  assert.match(text, /there is still no .*node_modules\/node\/bin\/node/);
});

test('setup installs what is missing with apt-get, and fetches the lists only if that fails', needsRoot, (context) => {
  const checkout = new Checkout(context);
  checkout.installed(complete);
  rmSync(join(checkout.bin, 'conmon'));
  checkout.program('apt-get', '');
  const good = checkout.run('start');
  assert.equal(good.code, 0);
  assert.match(good.text, /conmon \(Debian package conmon\): holds each container/);
  assert.match(good.calls, /^apt-get -q -y install --no-install-recommends conmon$/m);
  checkout.program('apt-get', 'exit 100');
  rmSync(checkout.calls);
  const bad = checkout.run('start');
  assert.equal(bad.code, 1);
  assert.match(bad.calls, /^apt-get -q -y update$/m);
  assert.match(bad.text, /apt-get update && apt-get install --no-install-recommends conmon/);
});

test('setup without apt-get lists what is missing and the command that gets it', needsRoot, (context) => {
  const checkout = new Checkout(context);
  rmSync(join(checkout.bin, 'conmon'));
  rmSync(join(checkout.bin, 'xz'));
  const { code, text, calls } = checkout.run('test');
  assert.equal(code, 1);
  assert.match(text, /^setup: get them with: {2}apt-get install --no-install-recommends conmon xz-utils$/m);
  assert.equal(calls, '');
});

test('setup without root refuses the demonstration, lets tests go on without containers, but not in CI', (context) => {
  const checkout = new Checkout(context);
  checkout.installed(complete);
  rmSync(join(checkout.bin, 'conmon'));
  const start = checkout.run('start', { asNobody: true });
  assert.equal(start.code, 1);
  assert.match(start.text, /sudo npm start/);
  const tests = checkout.run('test', { asNobody: true });
  assert.deepEqual([tests.code, tests.calls], [0, '']);
  assert.match(tests.text, /not root: tests with real containers are left out/);
  assert.equal(checkout.run('test', { asNobody: true, env: { CI: 'true' } }).code, 1);
});
