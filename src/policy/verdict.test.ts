import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireGranted } from './verdict.ts';

test('fields that are refused for one reason are named together, and all are in the detail', () => {
  const why = 'CAP_X is not among the rights of the app';
  const refused = ['bounding[0]', 'effective[0]'].map((path) => ({ path, asked: 'CAP_X', verdict: 'refused' as const, why }));
  const memory = { path: 'memory', asked: 2, granted: 1, verdict: 'refused' as const, why: 'too much' };
  const granted = { path: 'pids', asked: 2, granted: 2, verdict: 'granted' as const };
  assert.throws(() => { requireGranted('web', [...refused, granted, memory], 'a.yaml'); }, {
    code: 'denied',
    message: `web asks in its config.json for what it is not granted: bounding[0], effective[0]: ${why}; memory: too much. Its rights come from a.yaml; docs/rights.md says how to change them`,
    detail: { refused: [...refused, memory] },
  });
});
