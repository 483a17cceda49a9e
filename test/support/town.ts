/**
 * A network to test in that touches nothing of this machine's: a namespace that plays the device, in which a daemon under
 * test runs, and one that plays the world outside, with a cable between them.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { run, type RunResult } from '../../src/lib/process.ts';

/** Addresses on the cable; the outside has a private network besides, which the device has a route to. */
export const addresses = {
  outside: { ip4: '192.0.2.1', ip6: '2001:db8::1', private4: '192.168.77.1', private6: 'fd77::1' },
  device: { ip4: '192.0.2.2', ip6: '2001:db8::2' },
} as const;

const program = join(import.meta.dirname, 'town.py');

/** A network namespace: by its name, or by a process that is in it. */
export type Place = string | number;

export class Town {
  readonly device: string;
  readonly outside: string;
  readonly #children: ChildProcess[] = [];

  constructor() {
    const name = randomBytes(3).toString('hex');
    this.device = `bt-${name}-dev`;
    this.outside = `bt-${name}-out`;
  }

  async open(): Promise<void> {
    const { outside, device } = addresses;
    for (const name of [this.device, this.outside]) await must('ip', ['netns', 'add', name]);
    await must('ip', ['-n', this.device, 'link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'wan', 'netns', this.outside]);
    const lines = (end: string, own: readonly string[]): string => [...own.map((address) => `address add ${address} dev ${end}${address.includes(':') ? ' nodad' : ''}`), `link set ${end} up`, 'link set lo up', ''].join('\n');
    await must('ip', ['-n', this.outside, '-batch', '-'], lines('wan', [`${outside.ip4}/24`, `${outside.ip6}/64`, `${outside.private4}/24`, `${outside.private6}/64`]));
    await must('ip', ['-n', this.device, '-batch', '-'], lines('uplink', [`${device.ip4}/24`, `${device.ip6}/64`]));
    await must('ip', ['-n', this.device, 'route', 'add', 'default', 'via', outside.ip4]);
    await must('ip', ['-n', this.device, '-6', 'route', 'add', 'default', 'via', outside.ip6]);
  }

  /** A command that runs a program in a namespace. */
  within(place: Place, ...command: readonly string[]): readonly string[] {
    return ['nsenter', `--net=${typeof place === 'number' ? `/proc/${place}/ns/net` : `/run/netns/${place}`}`, '--', ...command];
  }

  async run(place: Place, ...command: readonly string[]): Promise<RunResult> {
    const [first, ...rest] = this.within(place, ...command);
    return await run(first!, rest);
  }

  /** What a program prints that must succeed. */
  async output(place: Place, ...command: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(place, ...command);
    if (code !== 0) throw new Error(`${command.join(' ')}: ${stderr}`);
    return stdout;
  }

  async hardwareAddress(place: Place, name: string): Promise<string> {
    return /(?:[0-9a-f]{2}:){5}[0-9a-f]{2}/.exec(await this.output(place, 'ip', '-brief', 'link', 'show', name))![0];
  }

  /** Has `town.py` serve a port in a namespace, over TCP and UDP, until the test ends. Gives what it receives over UDP. */
  async serve(place: Place, port: number): Promise<readonly string[]> {
    return await this.#listen(place, 'serve', String(port));
  }

  /** Has `town.py` give bytes without end to whoever connects, and take datagrams unread, until the test ends. */
  async pour(place: Place, port: number): Promise<void> {
    await this.#listen(place, 'pour', String(port));
  }

  /** Has `town.py` listen to all frames of a device. Gives those that hold these bytes, in hexadecimal digits. */
  async sniff(place: Place, device: string, marker: Buffer): Promise<readonly string[]> {
    return await this.#listen(place, 'sniff', device, marker.toString('hex'));
  }

  /** What a server at this address says, by TCP. */
  async ask(place: Place, address: string, port: number): Promise<string> {
    return (await this.output(place, '/usr/bin/python3', program, 'ask', address, String(port), '20')).trim();
  }

  /** Those of these addresses, each with a port, that can be reached by TCP within a second: for what cannot be. */
  async reachable(place: Place, targets: readonly (readonly [address: string, port: number])[]): Promise<readonly string[]> {
    const answers = await Promise.all(targets.map(([address, port]) => this.run(place, '/usr/bin/python3', program, 'ask', address, String(port), '1')));
    return targets.flatMap(([address, port], index) => (answers[index]!.code === 0 ? [`${address} ${port}`] : []));
  }

  /** Sends a datagram; false if the kernel does not let it go. */
  async tell(place: Place, address: string, port: number, text: string): Promise<boolean> {
    return (await this.run(place, '/usr/bin/python3', program, 'tell', address, String(port), text)).code === 0;
  }

  /** Sends frames as they are given, in hexadecimal digits. */
  async frames(place: Place, device: string, ...frames: readonly string[]): Promise<void> {
    await this.output(place, '/usr/bin/python3', program, 'frames', device, ...frames);
  }

  async close(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
    for (const name of [this.device, this.outside]) await run('ip', ['netns', 'delete', name]);
  }

  async #listen(place: Place, ...args: readonly string[]): Promise<readonly string[]> {
    const [first, ...rest] = this.within(place, '/usr/bin/python3', '-u', program, ...args);
    const child = spawn(first!, rest, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.push(child);
    const heard: string[] = [];
    const lines = createInterface({ input: child.stdout });
    const ready = once(lines, 'line');
    await Promise.race([ready, once(child, 'exit').then(() => { throw new Error(`town.py ${args.join(' ')} ended`); })]);
    lines.on('line', (line) => heard.push(line));
    return heard;
  }
}

/** A town for this test, which is taken away when the test ends. */
export async function openTown(t: TestContext): Promise<Town> {
  const town = new Town();
  t.after(() => town.close());
  await town.open();
  return town;
}

async function must(command: string, args: readonly string[], input?: string): Promise<void> {
  const { code, stderr } = await run(command, args, input === undefined ? {} : { input });
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr}`);
}
