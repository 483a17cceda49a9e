import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDepends } from '../image/index.ts';
import type { BerthError } from '../lib/errors.ts';
import { bereft, requireAllKept, requireNobodyNeeds, type InstalledApp } from './dependents.ts';

function app(name: string, version: string, parts: { depends?: string; exports?: string[]; imports?: string[] } = {}): InstalledApp {
  return { name, version, depends: parseDepends(parts.depends ?? ''), exports: parts.exports ?? [], imports: parts.imports ?? [], sharedVolumes: [], usedVolumes: [], ports: [], startsAfter: [] };
}

const broker = app('broker', '2.0', { exports: ['broker/mqtt'] });
const client = app('client', '1.0', { depends: 'broker (>= 2.0)', imports: ['broker/mqtt'] });
const either = app('either', '1.0', { depends: 'broker | nats' });
const apps = [broker, client, either];

function refusal(change: () => void): BerthError {
  let thrown: unknown;
  assert.throws(change, (error) => {
    thrown = error;
    return true;
  });
  return thrown as BerthError;
}

test('what others need is not removed, and all of them are named', () => {
  const { code, message, detail } = refusal(() => { requireNobodyNeeds('broker', [], apps); });
  assert.equal(code, 'dependency');
  assert.match(message, /broker is needed by client, either/);
  assert.deepEqual(detail, { needing: [{ app: 'client', loses: ['broker (>= 2.0)', 'broker/mqtt'] }, { app: 'either', loses: ['broker | nats'] }] });
  requireNobodyNeeds('client', [], apps);
});

test('an alternative that is there, or a service of the platform, stands in for what is removed', () => {
  requireNobodyNeeds('broker', [{ name: 'nats' }], [broker, either]);
  requireNobodyNeeds('broker', [], [broker, either, app('nats', '1')]);
  assert.deepEqual(bereft([], [either, app('nats', '1')], [either]), [{ app: 'either', loses: ['broker | nats'] }]);
});

test('a version that satisfies nobody any more does not replace one that does', () => {
  assert.match(refusal(() => { requireAllKept([app('broker', '1.9', { exports: ['broker/mqtt'] })], [], apps); }).message, /broker 1\.9 .* client needs broker \(>= 2\.0\)\./);
  assert.match(refusal(() => { requireAllKept([app('broker', '2.1')], [], apps); }).message, /client needs broker\/mqtt\./);
  requireAllKept([app('broker', '2.1', { exports: ['broker/mqtt', 'broker/admin'] })], [], apps);
});

test('what was lacking before holds up nothing', () => {
  assert.deepEqual(bereft([], [client, app('other', '1')], [client]), []);
});
