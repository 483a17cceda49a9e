import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maxBoots, newDeadline, noted, noteEveryMs, readDeadline, resumed, type Deadline } from './deadline.ts';

const minute = 60_000;

test('within one boot the deadline stays where it is', () => {
  const deadline = newDeadline('a', 1000, minute);
  assert.deepEqual(noted(deadline, 21_000), { bootId: 'a', at: 61_000, leftMs: 40_000, boots: 0 });
  assert.deepEqual(resumed(noted(deadline, 21_000), 'a', 31_000), { bootId: 'a', at: 61_000, leftMs: 30_000, boots: 0 });
});

test('after a reboot, whose clock begins anew, what was last noted to be left is left', () => {
  const deadline = noted(newDeadline('a', 9_000_000, minute), 9_020_000);
  assert.deepEqual(resumed(deadline, 'b', 500), { bootId: 'b', at: 40_500, leftMs: 40_000, boots: 1 });
});

test('a trial goes on over two reboots and no more, however often the daemon itself is started', () => {
  assert.equal(maxBoots, 2);
  const boot = (deadline: Deadline, id: string): Deadline => {
    const next = resumed(resumed(deadline, id, 0) as Deadline, id, 1);
    assert.notEqual(next, 'too-many-boots', id);
    return next as Deadline;
  };
  assert.equal(resumed(boot(boot(newDeadline('a', 0, minute), 'b'), 'c'), 'd', 0), 'too-many-boots');
});

test('what is left is never less than nothing', () => {
  assert.equal(noted(newDeadline('a', 0, minute), 2 * minute).leftMs, 0);
});

test('a deadline is read as it was written, and what is none is not made one', () => {
  const deadline = noted(newDeadline('a', 1.5, minute), 2.25);
  assert.deepEqual(readDeadline(JSON.stringify(deadline)), deadline);
  for (const text of [null, '', '{', '{"bootId":"a"}']) assert.equal(readDeadline(text), undefined);
});

test('the time left is written down ten times in a long trial, and never more than every ten seconds', () => {
  assert.equal(noteEveryMs(60 * minute), 6 * minute);
  assert.equal(noteEveryMs(minute), 10_000);
});
