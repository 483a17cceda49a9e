/** `node test/fake-berthd.ts SOCKET`: the REST API with fakes behind it, for tests of the command line. Says `ready`. */
import { fakeApi, fakeApp } from '../src/http/fakes.ts';
import { serveNative } from '../src/http/index.ts';

const fakes = fakeApi();
const { apps } = fakes.lifecycle;
const at = Date.now();
const reason = { code: 'exited', message: 'exited with 3 \u001b[31m(hostile)', at } as const;
apps.set('web', fakeApp('web', { health: 'healthy', instance: { id: 'ab'.repeat(32), pid: 4711, startedAt: at - 3_725_000 } }));
apps.set('mosquitto', fakeApp('mosquitto', { version: '2.0.11-1.2', instance: { id: 'cd'.repeat(32), pid: 99, startedAt: at - 65_000 }, restarts: 2 }));
const { instance: _, ...ended } = fakeApp('crashy');
apps.set('crashy', {
  ...ended,
  state: 'backoff',
  restarts: 7,
  nextStartAt: at + 16_000,
  reason,
  lastExit: { id: 'x', app: 'crashy', at, exitCode: 3, oom: false, cause: 'ended', reason },
  degraded: [{ path: 'mounts[1]', asked: {}, verdict: 'degraded', why: 'host paths are not granted' }],
});
apps.set('idle', { ...ended, name: 'idle', state: 'stopped', desired: 'stopped' });
apps.set('frozen', fakeApp('frozen', { state: 'suspended' }));
fakes.lifecycle.logLines = [
  { time: '2026-01-02T03:04:05.000000001Z', stream: 'stdout', text: 'hello', partial: false },
  { time: '2026-01-02T03:04:06.000000001Z', stream: 'stderr', text: 'to \u001b]0;stderr\u0007', partial: false },
  { time: '2026-01-02T03:04:07.000000001Z', stream: 'berth', text: '12 lines lost', partial: false },
];
fakes.lifecycle.announce({ type: 'app.state', app: 'web', message: 'web is running' });

await serveNative({ ...fakes, journal: (level, message) => console.error(level, message) }, process.argv[2]!);
console.log('ready');
