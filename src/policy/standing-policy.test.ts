import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { StandingPolicy } from './standing-policy.ts';

class Bench {
  readonly directory = mkdtempSync(join(tmpdir(), 'policy-'));
  readonly told: string[] = [];
  kept: string | undefined;
  writes = 0;
  isFull = false;

  constructor(t: TestContext) {
    t.after(() => { rmSync(this.directory, { recursive: true }); });
  }

  write(text: string): void {
    writeFileSync(join(this.directory, 'a.yaml'), text);
  }

  async open(): Promise<StandingPolicy> {
    const memory = {
      read: () => this.kept,
      write: (text: string) => {
        if (this.isFull) throw new Error('no room');
        this.kept = text;
        this.writes += 1;
      },
    };
    return StandingPolicy.open({ directory: this.directory, memory, journal: (_level, message) => this.told.push(message) });
  }
}

const apps = (rules: readonly { readonly apps: readonly string[] }[]): string => rules.flatMap((rule) => rule.apps).join(' ');

test('a changed file counts at the next question, and is kept once', async (t) => {
  const bench = new Bench(t);
  const policy = await bench.open();
  assert.deepEqual(policy.forInstall(), []);
  bench.write('apps: [web]\n');
  assert.deepEqual([apps(policy.forInstall()), apps(policy.forStart())], ['web', 'web']);
  assert.equal(bench.writes, 2);
  assert.equal(policy.fault(), undefined);
});

test('while a file is broken nothing is installed, and starts go by the rules before, also in the next daemon', async (t) => {
  const bench = new Bench(t);
  bench.write('apps: [web]\n');
  let policy = await bench.open();
  bench.write('apps: [web]\nrights: 5\n');
  for (const again of [false, true]) {
    if (again) policy = await bench.open();
    assert.throws(() => policy.forInstall(), { code: 'usage', message: /^nothing is installed .*a\.yaml: rights/ });
    assert.equal(apps(policy.forStart()), 'web');
    assert.match(policy.fault()!.message, /a\.yaml: rights/);
  }
  assert.equal(bench.told.length, 2, 'each daemon tells it once');
  bench.write('apps: [broker]\n');
  assert.equal(apps(policy.forInstall()), 'broker');
});

test('where a policy was never read nothing starts by a broken one', async (t) => {
  const bench = new Bench(t);
  bench.write('[');
  const policy = await bench.open();
  assert.throws(() => policy.forStart(), { code: 'usage', message: /^nothing starts before/ });
});

test('rules that cannot be kept count all the same, and are kept later', async (t) => {
  const bench = new Bench(t);
  bench.isFull = true;
  bench.write('apps: [web]\n');
  const policy = await bench.open();
  assert.equal(apps(policy.forInstall()), 'web');
  assert.match(bench.told[0]!, /could not be kept.*no room/);
  bench.isFull = false;
  assert.equal(apps(policy.forStart()), 'web');
  assert.match(bench.kept!, /web/);
});
