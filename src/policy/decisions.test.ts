import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Decisions } from './decisions.ts';

function verdicts(degrade: boolean | readonly string[], ...paths: string[]): string[] {
  const decide = new Decisions(degrade);
  for (const path of paths) decide.refused(path, null, 'why');
  return decide.all.map(({ verdict }) => verdict);
}

test('what is not given refuses the package unless the policy degrades it', () => {
  assert.deepEqual(verdicts(false, 'hooks'), ['refused']);
  assert.deepEqual(verdicts(true, 'hooks'), ['degraded']);
});

test('a policy degrades the paths that it lists, and all below them', () => {
  const listed = ['mounts[*]', 'linux.seccomp', 'annotations["org.berth.network"]'];
  assert.deepEqual(verdicts(listed, 'mounts[0]', 'mounts[12].options', 'mounts', 'linux.seccomp', 'linux.seccomp.flags[0]', 'linux.seccompX', 'linux', 'annotations["org.berth.network"]', 'annotations["org.berth.network.ports"]'), [
    'degraded', 'degraded', 'refused', 'degraded', 'degraded', 'refused', 'refused', 'degraded', 'refused',
  ]);
  assert.deepEqual(verdicts([''], 'hooks'), ['refused']);
});

test('a decision tells what was asked for and what the app gets', () => {
  const decide = new Decisions(true);
  decide.granted('process.rlimits[0]', 5);
  decide.limited('linux.resources.pids.limit', 9, 'more than 4', 4);
  assert.deepEqual(decide.all, [
    { path: 'process.rlimits[0]', asked: 5, granted: 5, verdict: 'granted' },
    { path: 'linux.resources.pids.limit', asked: 9, granted: 4, verdict: 'degraded', why: 'more than 4' },
  ]);
});
