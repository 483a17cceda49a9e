/** Names on the system bus: what an app may call and be there, and what is left of it when something is killed. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { identifyProcess, isAlive, type ProcessIdentity } from '../src/lib/process.ts';
import type { InstanceRecord } from '../src/runtime/index.ts';
import { projectRoot, until, whyNoContainers } from './support/berthd.ts';
import { copyPrograms, copyPythonModules } from './support/programs.ts';
import { RuntimeBench } from './support/runtime-bench.ts';
import { SystemBus } from './support/system-bus.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };
const idBase = 0x7000_0000 + 65_536;
/** An account that every Debian has. */
const account = { user: 'nobody', uid: 65_534 };
const python = 'import dbus; print(dbus.SystemBus().get_object("org.example.Clock", "/clock", introspect=False).Asks(dbus_interface="org.example.Clock"))';

/** What each client says, and how it prints the answer. */
const clients: Readonly<Record<string, { readonly command: string; readonly answer: RegExp }>> = {
  gdbus: { command: 'gdbus call --system -d org.example.Clock -o /clock -m org.example.Clock.Asks', answer: /\('user 65534',\)/ },
  busctl: { command: 'busctl --system call org.example.Clock /clock org.example.Clock Asks', answer: /s "user 65534"/ },
  'dbus-send': { command: 'dbus-send --system --print-reply --dest=org.example.Clock /clock org.example.Clock.Asks', answer: /string "user 65534"/ },
  python: { command: `python3 -c '${python}'`, answer: /user 65534/ },
};

interface Scene {
  readonly bus: SystemBus;
  readonly bench: RuntimeBench;
  /** Starts an app that waits, with these names. */
  begin(names: Parameters<typeof start>[2], uid?: number): Promise<InstanceRecord>;
  /** Runs a command in it and gives all that it prints. */
  inside(record: InstanceRecord, command: string): Promise<string>;
}

function start(bench: RuntimeBench, uid: number, busNames: readonly { readonly name: string; readonly access: 'talk' | 'own' }[]): Promise<InstanceRecord> {
  return bench.start('while :; do sleep 1; done', { uid, idBase, busNames });
}

async function scene(t: TestContext, run: (scene: Scene) => Promise<void>, programs = ['/usr/bin/gdbus']): Promise<void> {
  const bus = new SystemBus(t);
  await bus.start(['org.example.Clock', 'org.example.Other']);
  await using bench = await RuntimeBench.open({ bus: { address: bus.address, user: account.user, relay: [process.execPath, join(projectRoot, 'dist/berthd-relay.cjs')] } });
  const rootfs = join(bench.directory, 'rootfs');
  await copyPrograms(rootfs, programs);
  if (programs.includes('/usr/bin/python3')) await copyPythonModules(rootfs, ['dbus.bus', 'xml.parsers.expat']);
  await run({
    bus,
    bench,
    begin: (names, uid = 0) => start(bench, uid, names),
    inside: async (record, command) => {
      const session = await bench.runtime.exec(record.id, { command: ['/bin/sh', '-c', `${command} 2>&1`], env: ['PATH=/bin:/usr/bin', 'DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket'] });
      let text = '';
      for await (const chunk of session.stdout) text += String(chunk);
      await session.done;
      return text.trim();
    },
  });
}

const ask = (name: string): string => `gdbus call --system -d ${name} -o /clock -m org.example.Clock.Asks`;

/** The filter of an instance, and the relay. */
function processes(bench: RuntimeBench, { id }: InstanceRecord): { readonly filter: ProcessIdentity; readonly relay: ProcessIdentity } {
  const read = (path: string): unknown => JSON.parse(readFileSync(join(bench.directory, 'r', path), 'utf8'));
  return { filter: (read(`bundles/${id}/bus-filter`) as { process: ProcessIdentity }).process, relay: read('bus-relay') as ProcessIdentity };
}

test('every client calls a name that is granted, as root and as another user of the container, and the bus sees an account without rights', options, async (t) => {
  await scene(t, async ({ begin, inside, bench }) => {
    for (const uid of [0, 1234]) {
      const record = await begin([{ name: 'org.example.Clock', access: 'talk' }], uid);
      for (const [client, { command, answer }] of Object.entries(clients)) assert.match(await inside(record, command), answer, client);
      await bench.runtime.signal(record.id, 'SIGKILL');
      await bench.exit(record);
      await bench.runtime.remove(record.id);
    }
  }, ['/usr/bin/gdbus', '/usr/bin/busctl', '/usr/bin/dbus-send', '/usr/bin/python3']);
});

test('an app finds the bus by the environment, unless it says where itself', options, async (t) => {
  await scene(t, async ({ bench }) => {
    const names = [{ name: 'org.example.Clock', access: 'talk' }] as const;
    const record = await bench.start(`${ask('org.example.Clock')}; ls /run/dbus`, { idBase, busNames: names, env: ['PATH=/bin:/usr/bin'] });
    await bench.exit(record);
    assert.deepEqual((await bench.lines('demo')).map(({ text }) => text), ['(\'user 65534\',)', 'system_bus_socket']);
    const own = await bench.start('echo $DBUS_SYSTEM_BUS_ADDRESS', { app: 'own', idBase, busNames: names, env: ['DBUS_SYSTEM_BUS_ADDRESS=unix:path=/x'] });
    await bench.exit(own);
    assert.equal((await bench.lines('own'))[0]!.text, 'unix:path=/x');
    const none = await bench.start('ls /run; echo over', { app: 'none', idBase });
    await bench.exit(none);
    assert.deepEqual((await bench.lines('none')).map(({ text }) => text), ['over']);
  });
});

test('other names are not there for it, whether it calls them or looks for them', options, async (t) => {
  await scene(t, async ({ begin, inside }) => {
    const record = await begin([{ name: 'org.example.Clock', access: 'talk' }]);
    assert.match(await inside(record, ask('org.example.Other')), /ServiceUnknown/);
    const names = await inside(record, 'gdbus call --system -d org.freedesktop.DBus -o / -m org.freedesktop.DBus.ListNames');
    assert.match(names, /org\.example\.Clock/);
    assert.doesNotMatch(names, /org\.example\.Other/);
    assert.match(await inside(record, 'gdbus call --system -d org.freedesktop.DBus -o / -m org.freedesktop.DBus.RequestName org.example.Mine 0'), /Error/);
  });
});

test('an app that may be a name is called by it, and no other takes the name', options, async (t) => {
  await scene(t, async ({ bus, begin, inside }) => {
    const record = await begin([{ name: 'org.example.Meter', access: 'own' }]);
    assert.equal(await inside(record, 'gdbus call --system -d org.freedesktop.DBus -o / -m org.freedesktop.DBus.RequestName org.example.Meter 0'), '(uint32 1,)');
    assert.match(await inside(record, 'gdbus call --system -d org.freedesktop.DBus -o / -m org.freedesktop.DBus.RequestName org.example.Meter2 0'), /Error/);
    assert.match(await inside(record, ask('org.example.Clock')), /ServiceUnknown/);
    assert.match(bus.call('org.freedesktop.DBus', '/', 'org.freedesktop.DBus.ListNames'), /org\.example\.Clock/);
  });
});

test('an app hears the signals of what it may call, and of nothing else', options, async (t) => {
  for (const [name, hears] of [['org.example.Clock', true], ['org.example.Unheard', false]] as const) {
    await scene(t, async ({ bus, begin, inside, bench }) => {
      const record = await begin([{ name, access: 'talk' }]);
      const monitor = await bench.runtime.exec(record.id, { command: ['/bin/sh', '-c', 'exec gdbus monitor --system -d org.example.Clock'], env: ['PATH=/bin:/usr/bin', 'DBUS_SYSTEM_BUS_ADDRESS=unix:path=/run/dbus/system_bus_socket'] });
      let heard = '';
      monitor.stdout.on('data', (chunk) => { heard += String(chunk); });
      if (hears) {
        await until(() => heard.includes('is owned by'));
        bus.call('org.example.Clock', '/clock', 'org.example.Clock.Tick');
        await until(() => heard.includes('org.example.Clock.Ticked'));
      } else {
        bus.call('org.example.Clock', '/clock', 'org.example.Clock.Tick');
        // A call that is answered later than the signal would have come.
        await inside(record, 'gdbus call --system -d org.freedesktop.DBus -o / -m org.freedesktop.DBus.GetId');
        assert.doesNotMatch(heard, /Tick/);
      }
      monitor.kill();
      await monitor.done;
    });
  }
});

test('connections outlive berthd; filter and relay, killed by whomever, come back', options, async (t) => {
  await scene(t, async ({ begin, inside, bench }) => {
    const record = await begin([{ name: 'org.example.Clock', access: 'talk' }]);
    const before = processes(bench, record);
    await bench.reopen();
    assert.equal(await bench.runtime.adopt(record), 'running');
    assert.equal(await inside(record, ask('org.example.Clock')), '(\'user 65534\',)');
    assert.deepEqual(processes(bench, record), before);
    for (const which of ['filter', 'relay'] as const) {
      const killed = processes(bench, record)[which];
      process.kill(killed.pid, 'SIGKILL');
      await until(() => !isAlive(killed) && isAlive(processes(bench, record)[which]));
      await until(async () => (await inside(record, ask('org.example.Clock'))) === '(\'user 65534\',)');
    }
    assert.equal(bench.journal.some((line) => line.includes('demo: its filter to the system bus had ended')), true);
  });
});

test('the filter is within the limits of its app, has no rights, and ends with it', options, async (t) => {
  await scene(t, async ({ begin, bench }) => {
    const record = await begin([{ name: 'org.example.Clock', access: 'talk' }]);
    const { filter, relay } = processes(bench, record);
    assert.match(readFileSync(`/proc/${filter.pid}/cgroup`, 'utf8'), new RegExp(`:${bench.cgroupParent}/demo[^\n]*/monitor\n`));
    for (const { pid } of [filter, relay]) {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      assert.match(status, new RegExp(`^Uid:\t${account.uid}\t${account.uid}\t${account.uid}`, 'm'));
      assert.match(status, /^Groups:\t ?$/m);
      assert.match(status, /^NoNewPrivs:\t1$/m);
      assert.match(status, /^CapEff:\t0+$/m);
    }
    await bench.runtime.signal(record.id, 'SIGKILL');
    await bench.exit(record);
    await bench.runtime.remove(record.id);
    assert.equal(isAlive(filter), false);
    assert.equal(existsSync(join(bench.directory, 'r/bus-names', record.id)), false);
    // Nothing is left to serve.
    await until(() => identifyProcess(relay.pid)?.startTime !== relay.startTime);
    assert.deepEqual(readdirSync(join(bench.directory, 'r/bus-names')), []);
  });
});

test('an app with names cannot start where the relay does not run', options, async (t) => {
  const bus = new SystemBus(t);
  await bus.start([]);
  await using bench = await RuntimeBench.open({ bus: { address: bus.address, user: account.user, relay: ['false'] } });
  await assert.rejects(bench.start('true', { busNames: [{ name: 'org.example.Clock', access: 'talk' }] }), /the relay to the system bus does not run as nobody: false/);
});

test('an app with names cannot start where the account is missing, and is told what to do', options, async () => {
  await using bench = await RuntimeBench.open({ bus: { address: 'unix:path=/nowhere', user: 'berth-test-nobody', relay: ['false'] } });
  await assert.rejects(bench.start('true', { busNames: [{ name: 'org.example.Clock', access: 'talk' }] }), /demo cannot be started: there is no user "berth-test-nobody".*useradd/);
});
