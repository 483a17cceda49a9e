import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSettings } from '../image/index.ts';
import { digestOf } from '../lib/digest.ts';
import { describeApp, type Candidate, type Device } from './candidate.ts';
import { fitting } from './fitting.ts';

function candidate(name: string, depends = '', version = '1.0'): Candidate {
  const image = { digest: digestOf(name + version), package: name, version, architecture: 'all', depends, description: '', bytes: 0, entries: 0, signed: false, signers: [], addedAt: 0 };
  return { image, settings: parseSettings({}), degraded: [], warnings: [] };
}

function device(installed: readonly Candidate[] = [], floors: Readonly<Record<string, string>> = {}): Device {
  return { architectures: [], platform: [{ name: 'gnss', version: '1.0' }], apps: installed.map(({ image, settings }) => describeApp(image, settings)), ownership: { owners: new Map(), authorities: [] }, recalls: new Map(), floors: new Map(Object.entries(floors)) };
}

function sorted(candidates: readonly Candidate[], on: Device): Record<string, readonly string[]> {
  const { fit, misfits } = fitting(candidates, on);
  return { fit: fit.map(({ image }) => image.package), not: misfits.map(({ candidate: { image }, error }) => `${image.package}: ${error.code}`) };
}

test('packages that need each other fit together', () => {
  assert.deepEqual(sorted([candidate('web', 'broker (>= 1.0)'), candidate('broker', 'gnss')], device()), { fit: ['web', 'broker'], not: [] });
});

test('what needs something that is not there is left out, and what needs that in turn', () => {
  const candidates = [candidate('top', 'middle'), candidate('middle', 'bottom'), candidate('bottom', 'gnss (>= 2.0)'), candidate('alone')];
  assert.deepEqual(sorted(candidates, device()), { fit: ['alone'], not: ['bottom: dependency', 'middle: dependency', 'top: dependency'] });
});

test('what is below its floor is left out, and so is what would break an installed app', () => {
  const on = device([candidate('web', 'broker (<< 2.0)'), candidate('broker')], { old: '3.0' });
  assert.deepEqual(sorted([candidate('old'), candidate('broker', '', '2.0'), candidate('alone')], on), { fit: ['alone'], not: ['old: downgrade', 'broker: dependency'] });
});

test('an app and what it needs are updated together, though neither could be alone', () => {
  const on = device([candidate('web', 'broker (= 1.0)'), candidate('broker')]);
  assert.deepEqual(sorted([candidate('web', 'broker (= 2.0)', '2.0'), candidate('broker', '', '2.0')], on), { fit: ['web', 'broker'], not: [] });
});
