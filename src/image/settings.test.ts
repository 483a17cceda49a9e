import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BerthError } from '../lib/errors.ts';
import { annotationPrefix, parseSettings } from './settings.ts';

const names = (count: number, prefix: string): string => Array.from({ length: count }, (_, index) => prefix + index).join(',');

for (const [name, text, reason] of [
  ['data', '/data,/data/cache', /\/data\/cache lies in \/data/],
  ['data', '/a/b/c,/x,/a', /\/a\/b\/c lies in \/a/],
  ['data', '/proc/app', /kernel's own file systems/],
  ['data', '/dev', /kernel's own file systems/],
  ['data', `/${'d'.repeat(255)}`, /longer than 255/],
  ['data', names(33, '/d'), /33 items; at most 32/],
  ['exports', names(17, 'e'), /17 items; at most 16/],
  ['imports', names(65, 'app/e'), /65 items; at most 64/],
  ['health.interval', '0s', /not from 100 ms/],
  ['health.timeout', '0s', /not from 100 ms/],
  ['health.command', '["/bin/check","a\\u0000"]', /zero bytes/],
  ['restart-reset', '0s', /not from 1000 ms/],
  ['restart-delay-max', '10ms', /not from 1000 ms/],
  ['stop-timeout', '2h', /to 1 h/],
  ['restart-delay', '100d', /to 480 h/],
  ['trial.uptime', '61m', /to 1 h/],
  ['trial.deadline', '999ms', /not from 1000 ms/],
  ['trial.deadline', '8d', /to 168 h/],
  ['trial.confirm', 'yes', /not one of no, app/],
  ['defer', 'long', /not a duration/],
  ['watchdog', '999ms', /not from 1000 ms/],
  ['watchdog', '2h', /to 1 h/],
  ['watchdog', '0s', /not from 1000 ms/],
  ['migrate.command', '/bin/migrate', /not a JSON array/],
  ['migrate.timeout', '0s', /not from 1000 ms/],
  ['migrate.timeout', '25h', /to 24 h/],
] as const) {
  test(`annotation ${name} "${text.slice(0, 30)}" is refused: ${reason.source}`, () => {
    assert.throws(
      () => { parseSettings({ 'org.berth.health.command': '["/bin/check"]', [annotationPrefix + name]: text }); },
      (error: BerthError) => error.code === 'bad_package' && error.message.includes(`annotations["org.berth.${name}"]`) && reason.test(error.message),
    );
  });
}

test('an image that says nothing of updates confirms nothing, puts nothing off, and has no watchdog and no migration', () => {
  const { trialUptimeMs, trialDeadlineMs, trialConfirm, deferMs, watchdogMs, migrate, migrateTimeoutMs } = parseSettings({});
  assert.deepEqual(
    { trialUptimeMs, trialDeadlineMs, trialConfirm, deferMs, watchdogMs, migrate, migrateTimeoutMs },
    { trialUptimeMs: undefined, trialDeadlineMs: undefined, trialConfirm: false, deferMs: 0, watchdogMs: 0, migrate: [], migrateTimeoutMs: 300_000 },
  );
  assert.equal(parseSettings({ 'org.berth.trial.uptime': '0s' }).trialUptimeMs, 0, 'not the same as nothing');
});

test('data directories side by side are taken, also with names that begin alike', () => {
  assert.deepEqual(parseSettings({ 'org.berth.data': '/data,/database, /var/lib/app,/devices' }).data, ['/data', '/database', '/var/lib/app', '/devices']);
});
