import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HandClock, settle } from '../lib/handclock.ts';
import { DataWatch, type DataHolder } from './data-watch.ts';

const MiB = 1024 ** 2;

/** A disk on which the data of some apps lies. */
class Disk {
  readonly clock = new HandClock();
  readonly data = new Map<string, number>();
  readonly limits = new Map<string, number>();
  readonly ended: string[] = [];
  readonly warnings: string[] = [];
  measured = 0;
  otherMiB = 0;
  readonly watch = new DataWatch({
    holders: () => [...this.data.keys()].filter((app) => !this.ended.some((text) => text.startsWith(`${app}:`))).map((app): DataHolder => {
      const limitBytes = this.limits.get(app);
      return { app, instance: 'i', ...(limitBytes === undefined ? {} : { limitBytes: limitBytes * MiB }) };
    }),
    room: () => ({ totalBytes: 1024 * MiB, freeBytes: (1024 - this.otherMiB - [...this.data.values()].reduce((sum, value) => sum + value, 0)) * MiB, totalInodes: Infinity, freeInodes: Infinity }),
    measure: async ({ app }) => {
      this.measured += 1;
      return Promise.resolve({ bytes: this.data.get(app)! * MiB, tooDeep: false });
    },
    end: (app, why) => this.ended.push(`${app}: ${why}`),
    warn: (app, message) => this.warnings.push(`${app}: ${message}`),
    clock: this.clock,
  });

  /** Lets looks go by. */
  async looks(count: number): Promise<void> {
    for (let look = 0; look < count; look += 1) {
      await this.clock.advance(250);
      await settle();
    }
  }
}

test('an app that goes beyond its limit is ended soon after; who keeps within goes on', async () => {
  const disk = new Disk();
  disk.data.set('web', 1).set('db', 1);
  disk.limits.set('web', 64).set('db', 64);
  await disk.looks(1);
  disk.data.set('web', 70).set('db', 60);
  await disk.looks(2);
  assert.deepEqual(disk.ended, ['web: its data takes 70.0 MiB of 64.0 MiB']);
  assert.deepEqual(disk.watch.use('db'), { usedBytes: 60 * MiB, limitBytes: 64 * MiB });
});

test('while nobody writes, nothing is measured for a minute', async () => {
  const disk = new Disk();
  disk.data.set('web', 1);
  disk.limits.set('web', 64);
  await disk.looks(200);
  assert.equal(disk.measured, 1);
  await disk.looks(60);
  assert.equal(disk.measured, 2);
});

test('growth that somebody else hides by making room is found within a minute', async () => {
  const disk = new Disk();
  disk.data.set('web', 1);
  disk.limits.set('web', 64);
  disk.otherMiB = 500;
  await disk.looks(1);
  disk.data.set('web', 100);
  disk.otherMiB = 400;
  await disk.looks(10);
  assert.deepEqual(disk.ended, []);
  await disk.looks(240);
  assert.equal(disk.ended.length, 1);
});

test('before the reserve is gone the app that has grown most is ended, if it has no limit of its own, too', async () => {
  const disk = new Disk();
  disk.data.set('log', 400).set('greedy', 1);
  await disk.looks(1);
  disk.data.set('greedy', 615);
  await disk.looks(1);
  assert.equal(disk.ended.length, 1);
  assert.match(disk.ended[0]!, /^greedy: the disk is full but for the reserve \(9\.0 MiB are free\), and the data of this app has grown most, by 614 MiB$/);
});

test('a disk that something else has filled ends no app, and is told once', async () => {
  const disk = new Disk();
  disk.data.set('web', 1);
  await disk.looks(1);
  disk.otherMiB = 1020;
  await disk.looks(5);
  assert.deepEqual(disk.ended, []);
  assert.deepEqual(disk.warnings, ['undefined: the disk is full but for the reserve (3.0 MiB are free), and not by the data of an app that runs']);
});

test('without an app that keeps data nothing is asked, and when it is closed nothing is due', async () => {
  const disk = new Disk();
  await disk.looks(3);
  assert.equal(disk.measured, 0);
  disk.watch.close();
  assert.equal(disk.clock.pending, 0);
});
