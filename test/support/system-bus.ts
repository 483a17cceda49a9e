import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';

/** As on Debian: whoever has an account may connect; who may own what is up to the filter in front of it. */
const busConfig = (socket: string): string => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
  </policy>
</busconfig>
`;

/** A clock that says who asks it, and ticks when it is told to. */
const service = `
import ctypes, sys, dbus, dbus.service
from dbus.mainloop.glib import DBusGMainLoop
DBusGMainLoop(set_as_default=True)
bus = dbus.bus.BusConnection(sys.argv[1])
class Clock(dbus.service.Object):
    @dbus.service.method('org.example.Clock', out_signature='s', sender_keyword='sender')
    def Asks(self, sender=None):
        return 'user %d' % bus.get_unix_user(sender)
    @dbus.service.method('org.example.Clock')
    def Tick(self): self.Ticked()
    @dbus.service.signal('org.example.Clock')
    def Ticked(self): pass
names = [dbus.service.BusName(name, bus) for name in sys.argv[2:]]
clock = Clock(bus, '/clock')
print('serves', flush=True)
glib = ctypes.CDLL('libglib-2.0.so.0')
while True: glib.g_main_context_iteration(None, True)
`;

/** A system bus of a test's own with a service under some names; gone when the test ends. */
export class SystemBus {
  readonly address: string;
  readonly #directory = mkdtempSync('/var/tmp/berth-bus-');
  readonly #processes: ChildProcess[] = [];

  constructor(t: TestContext) {
    chmodSync(this.#directory, 0o755);
    this.address = `unix:path=${join(this.#directory, 'bus')}`;
    t.after(async () => {
      for (const child of this.#processes) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      rmSync(this.#directory, { recursive: true });
    });
  }

  /** Starts the bus, and the service under these names. */
  async start(names: readonly string[]): Promise<void> {
    const config = join(this.#directory, 'bus.conf');
    writeFileSync(config, busConfig(join(this.#directory, 'bus')));
    await this.#run('dbus-daemon', ['--nofork', '--print-address', `--config-file=${config}`]);
    await this.#run('/usr/bin/python3', ['-c', service, this.address, ...names]);
  }

  /** Calls a name as root of the host. */
  call(name: string, path: string, method: string): string {
    return execFileSync('gdbus', ['call', '--address', this.address, '--dest', name, '--object-path', path, '--method', method], { encoding: 'utf8' }).trim();
  }

  /** Resolves when it has printed a line. */
  async #run(program: string, args: readonly string[]): Promise<void> {
    const child = spawn(program, [...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#processes.push(child);
    const ended = once(child, 'exit').then(() => { throw new Error(`${program} ended before it was ready`); });
    await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended]);
    ended.catch(() => undefined);
  }
}
