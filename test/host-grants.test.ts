/** Paths of the host and names on the system bus, from the package and the policy to the running app. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { whyNoContainers } from './support/berthd.ts';
import { startDevice } from './support/device.ts';
import { SystemBus } from './support/system-bus.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };
const script = 'while :; do sleep 1; done';

test('an app sees a path of the host that the policy lists, and a package that asks for another is refused by its JSON path', options, async (t) => {
  const shelf = mkdtempSync('/var/tmp/berth-shelf-');
  t.after(() => rmSync(shelf, { recursive: true }));
  chmodSync(shelf, 0o755);
  mkdirSync(join(shelf, 'maps'));
  writeFileSync(join(shelf, 'maps/north'), 'here\n');
  const policy = { 'maps.yaml': `apps: [navigator]\ndegrade: [process.capabilities]\nrights:\n  host-paths: [{ path: ${shelf}/maps }]\n` };
  const { install, inside, refusal, api, daemon } = await startDevice(t, { policy });
  const asking = (source: string, flags: readonly string[]): Record<string, unknown> => ({ mounts: [{ destination: '/maps', type: 'bind', source, options: flags }] });
  await install({ name: 'navigator', script, oci: asking(`${shelf}/maps`, ['rbind', 'ro']) });
  assert.equal((await inside('navigator', 'cat /maps/north')).stdout, 'here\n');
  assert.match((await inside('navigator', 'touch /maps/x')).stderr, /Read-only/);
  for (const [source, flags, why] of [[shelf, ['bind', 'ro'], /mounts\[0\]: the policy gives this app no path/], [`${shelf}/maps`, ['bind', 'rw'], /mounts\[0\]: .*read .*not write/]] as const) {
    const { code, message } = await refusal({ name: 'navigator', version: '2', script, oci: asking(source, flags) });
    assert.equal(code, 'denied');
    assert.match(message, why);
  }
  // What it leads to is looked at anew at each start.
  rmSync(join(shelf, 'maps'), { recursive: true });
  const { body } = await api.call('POST', '/apps/navigator/restart');
  assert.match(body, /cannot be opened: ENOENT/);
  assert.equal(daemon.traces().some((trace) => trace.includes('host-paths')), false);
});

test('an app calls the names that the policy lists, also after berthd was killed, and a package that asks for others is refused', options, async (t) => {
  const bus = new SystemBus(t);
  await bus.start(['org.example.Clock']);
  const policy = { 'bus.yaml': 'apps: [clock]\ndegrade: [process.capabilities]\nrights:\n  bus-names: [{ name: org.example.Clock }]\n' };
  const { install, inside, refusal, daemon } = await startDevice(t, { policy, config: `bus: { address: "${bus.address}", user: nobody }\n` });
  const app = { name: 'clock', script, programs: ['/usr/bin/gdbus'] };
  await install({ ...app, annotations: { 'bus.talk': 'org.example.Clock' } });
  const ask = 'DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket /usr/bin/gdbus call --system -d org.example.Clock -o /clock -m org.example.Clock.Asks';
  assert.equal((await inside('clock', ask)).stdout, '(\'user 65534\',)\n');
  const relay = readFileSync(join(daemon.runDir, 'bus-relay'), 'utf8');
  await daemon.end('SIGKILL');
  await daemon.start();
  assert.equal((await inside('clock', ask)).stdout, '(\'user 65534\',)\n');
  assert.equal(readFileSync(join(daemon.runDir, 'bus-relay'), 'utf8'), relay);
  const { code, message } = await refusal({ ...app, version: '2', annotations: { 'bus.talk': 'org.example.Clock,org.example.Safe', 'bus.own': 'org.example.Clock' } });
  assert.equal(code, 'denied');
  assert.match(message, /annotations\["org\.berth\.bus\.talk"\]: .*org\.example\.Safe/);
  assert.match(message, /annotations\["org\.berth\.bus\.own"\]: .*org\.example\.Clock/);
});
