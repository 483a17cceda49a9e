import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { inUse } from './in-use.ts';

/** A machine with a disk 8:0 of two parts (8:1, 8:2), a disk 8:16 without, and a disk 8:32 of one part (8:33). */
function machine(t: TestContext): { readonly sys: string; readonly proc: string; readonly mount: (number: string) => void; readonly hold: (path: string) => void } {
  const directory = mkdtempSync(join(tmpdir(), 'berth-in-use-'));
  t.after(() => { rmSync(directory, { recursive: true }); });
  const [sys, proc] = [join(directory, 'sys'), join(directory, 'proc')];
  mkdirSync(join(sys, 'dev/block'), { recursive: true });
  mkdirSync(join(proc, 'self'), { recursive: true });
  for (const [number, path] of [['8:0', 'sda'], ['8:1', 'sda/sda1'], ['8:2', 'sda/sda2'], ['8:16', 'sdb'], ['8:32', 'sdc'], ['8:33', 'sdc/sdc1']] as const) {
    mkdirSync(join(sys, 'devices', path, 'holders'), { recursive: true });
    if (path.includes('/')) writeFileSync(join(sys, 'devices', path, 'partition'), '1\n');
    symlinkSync(join('../../devices', path), join(sys, 'dev/block', number));
  }
  return {
    sys,
    proc,
    mount: (number) => { writeFileSync(join(proc, 'self/mountinfo'), `36 35 ${number} / /mnt rw,noatime - ext4 /dev/nothing rw\n`); },
    hold: (path) => { mkdirSync(join(sys, 'devices', path, 'holders/dm-0')); },
  };
}

const numbers = ['8:0', '8:1', '8:2', '8:16', '8:32', '8:33'];

function usedIn(places: { readonly sys: string; readonly proc: string }): readonly string[] {
  const isUsed = inUse(places);
  return numbers.filter((number) => {
    const [major, minor] = number.split(':').map(Number);
    return isUsed({ type: 'b', major: major!, minor: minor! });
  });
}

test('a disk is in use if a part of it is mounted, and a part if its disk is; the part beside it is not', (t) => {
  const places = machine(t);
  assert.deepEqual(usedIn(places), []);
  places.mount('8:1');
  assert.deepEqual(usedIn(places), ['8:0', '8:1']);
  places.mount('8:0');
  assert.deepEqual(usedIn(places), ['8:0', '8:1', '8:2']);
});

test('what another device is made of is in use', (t) => {
  const places = machine(t);
  places.hold('sdb');
  places.hold('sdc/sdc1');
  assert.deepEqual(usedIn(places), ['8:16', '8:32', '8:33']);
});

test('no character device is in use in this sense', () => {
  const isUsed = inUse({ sys: '/sys', proc: '/proc' });
  assert.equal(isUsed({ type: 'c', major: 1, minor: 3 }), false);
});
