/**
 * The power is cut at many moments of everything that changes a device, on a real ext4. A sample with fresh seeds each
 * time; `npm run test:powercut` tries a thousand moments of each operation.
 */
import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { after, before, test } from 'node:test';
import { Campaign, mounts, subjects } from './powercut/campaign.ts';
import { whyNoPowerCuts } from './powercut/rig.ts';
import { whyNoContainers } from './support/berthd.ts';

/** Moments in all. */
const sample = 320;
const points = Math.ceil(sample / (subjects.length * mounts.length));
const seed = Date.now() % 1_000_000;

const skip = whyNoPowerCuts() ?? whyNoContainers();
let campaign: Campaign | undefined;

before(async () => {
  if (skip === undefined) campaign = await Campaign.prepare(availableParallelism());
});

after(async () => campaign?.[Symbol.asyncDispose]());

for (const [number, { name, title }] of subjects.entries()) {
  for (const [turn, mount] of mounts.entries()) {
    test(`a power cut at ${points} moments is survived: ${title} (${mount})`, skip === undefined ? { timeout: 600_000 } : { skip }, async (t) => {
      const piece = { operation: name, mount, points, seed: seed + number * mounts.length + turn };
      t.diagnostic(`${name}, seed ${piece.seed}`);
      const { failures, tried } = await campaign!.cut(piece);
      assert.deepEqual(failures.map(({ point, again }) => `point ${point.k}, ${point.label}: ${point.failed}\n${point.out}\nagain: ${again}`), []);
      assert.equal(tried, points, 'moments that differ');
    });
  }
}
