/** The /dev of apps on a real tmpfs with real nodes, while devices come and go in places that the test makes up. */
import assert from 'node:assert/strict';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, statfsSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Lender, readDeclarations, type DeviceNews, type HostPlaces } from '../src/devices/index.ts';
import { systemClock, type Clock } from '../src/lib/clock.ts';
import { HandClock } from '../src/lib/handclock.ts';
import { run } from '../src/lib/process.ts';
import type { DeviceGrant } from '../src/policy/index.ts';
import { whyNoContainers } from './support/berthd.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 60_000 } : { skip };
const owner = 1_879_113_728;

interface Bench {
  readonly lender: Lender;
  readonly news: DeviceNews[];
  readonly places: HostPlaces;
  /** Directory for nodes. */
  readonly nodes: string;
  /** Path of something in the /dev of an app. */
  dev(app: string, path?: string): string;
  plug(name: string, type: 'c' | 'b', major: number, minor: number): Promise<void>;
  unplug(name: string): void;
  /** A device of a class, as the kernel shows it. */
  plugClass(name: string, number: string): void;
  /** What the next berthd would have. */
  again(): Promise<Lender>;
}

async function bench(t: TestContext, declarations: readonly string[], clock: Clock = systemClock): Promise<Bench> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-lender-'));
  const nodes = join(directory, 'nodes');
  const places = { dev: nodes, sys: join(directory, 'sys'), proc: join(directory, 'proc'), udevQueue: join(directory, 'queue') };
  for (const path of [nodes, join(places.sys, 'class/usb'), join(directory, 'devices.d')]) mkdirSync(path, { recursive: true });
  writeFileSync(join(directory, 'devices.d/test.yaml'), `devices:\n${declarations.map((entry) => `  - ${entry.replaceAll('NODES', nodes)}\n`).join('')}`);
  await must('mount', '-t', 'tmpfs', 'test', nodes);
  const lenders: Lender[] = [];
  t.after(async () => {
    for (const lender of lenders) await lender.close();
    const mounted = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').map((line) => line.split(' ')[4] ?? '').filter((path) => path.startsWith(directory));
    for (const path of mounted) await must('umount', '-l', path);
    rmSync(directory, { recursive: true });
  });
  const news: DeviceNews[] = [];
  const open = async (): Promise<Lender> => {
    const lender = new Lender({
      declarations: await readDeclarations(join(directory, 'devices.d')),
      directory: join(directory, 'devs'),
      places,
      owner: () => owner,
      clock,
      tell: (told) => { news.push(told); },
    });
    lenders.push(lender);
    return lender;
  };
  return {
    lender: await open(),
    news,
    places,
    nodes,
    dev: (app, path = '') => join(directory, 'devs', app, path),
    plug: async (name, type, major, minor) => { await must('mknod', join(nodes, name), type, String(major), String(minor)); },
    unplug: (name) => { unlinkSync(join(nodes, name)); },
    plugClass: (name, number) => {
      mkdirSync(join(places.sys, 'class/usb', name));
      writeFileSync(join(places.sys, 'class/usb', name, 'dev'), `${number}\n`);
    },
    again: open,
  };
}

async function must(program: string, ...args: readonly string[]): Promise<void> {
  const { code, stderr } = await run(program, args);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
}

const grant = (device: string, more: Partial<DeviceGrant> = {}): DeviceGrant => ({ device, path: `/dev/${device}`, access: 'rw', ...more });

/** Leases devices and gives the app its /dev. */
async function lend(lender: Lender, app: string, ...devices: readonly DeviceGrant[]): Promise<void> {
  assert.equal(lender.request(app, devices).kind, 'held');
  assert.notEqual(await lender.lend(app), undefined);
}

const numberOf = (path: string): string => {
  const { rdev } = statSync(path, { bigint: true });
  return `${rdev >> 8n}:${rdev & 0xffn}`;
};

test('the /dev of an app holds the standard nodes and links and what it was lent, owned by its root', options, async (t) => {
  const { lender, dev, plug } = await bench(t, ['{ name: gps, path: NODES/gps }']);
  await plug('gps', 'c', 10, 200);
  await lend(lender, 'app', grant('gps', { access: 'r' }));
  for (const [name, number] of [['null', '1:3'], ['tty', '5:0'], ['gps', '10:200']] as const) {
    const stat = lstatSync(dev('app', name));
    assert.deepEqual([numberOf(dev('app', name)), stat.uid, stat.gid, stat.isCharacterDevice()], [number, owner, owner, true]);
  }
  assert.deepEqual([statSync(dev('app', 'null')).mode & 0o777, statSync(dev('app', 'gps')).mode & 0o777], [0o666, 0o444]);
  assert.equal(readlinkSync(dev('app', 'ptmx')), 'pts/ptmx');
  // Nobody else on the host gets there.
  assert.equal(statSync(dev('')).mode & 0o777, 0o700);
  await lender.release('app');
  assert.equal(existsSync(dev('app')), false);
});

test('a number that goes to another device never leaves the node of the first one', options, async (t) => {
  const { lender, dev, plug, unplug, news } = await bench(t, ['{ name: first, path: NODES/first }', '{ name: second, path: NODES/second }']);
  await plug('first', 'c', 10, 200);
  await lend(lender, 'one', grant('first'));
  await lend(lender, 'two', grant('second'));
  const before = statSync(dev('one', 'first')).ino;
  // The same number, another device, in one look.
  unplug('first');
  await plug('second', 'c', 10, 200);
  await lender.reconcile();
  assert.deepEqual([existsSync(dev('one', 'first')), existsSync(dev('two', 'second'))], [false, true]);
  // The same number and the same name, another device.
  unplug('second');
  await plug('first', 'c', 10, 200);
  await lender.reconcile();
  const between = statSync(dev('one', 'first')).ino;
  unplug('first');
  await plug('first', 'c', 10, 200);
  await lender.reconcile();
  assert.equal(new Set([before, between, statSync(dev('one', 'first')).ino]).size, 3);
  assert.deepEqual(news.filter(({ type }) => type === 'device.left').length, 3);
});

test('devices of a class come and go in a directory, and one that is named elsewhere is not among them', options, async (t) => {
  const { lender, dev, plug, plugClass, places } = await bench(t, ['{ name: adapters, class: usb, match: "usb*" }', '{ name: own, path: NODES/own, platform: true }']);
  await plug('own', 'c', 188, 1);
  plugClass('usb0', '188:0');
  plugClass('usb1', '188:1');
  plugClass('other', '188:2');
  await lend(lender, 'app', grant('adapters'));
  assert.deepEqual(['usb0', 'usb1', 'other'].map((name) => existsSync(dev('app', `adapters/${name}`))), [true, false, false]);
  plugClass('usb3', '188:3');
  rmSync(join(places.sys, 'class/usb/usb0'), { recursive: true });
  await lender.reconcile();
  assert.deepEqual(['usb0', 'usb3'].map((name) => existsSync(dev('app', `adapters/${name}`))), [false, true]);
});

test('while udev is at work nothing is given, and what has gone is taken all the same', options, async (t) => {
  const { lender, dev, plug, unplug, places } = await bench(t, ['{ name: gps, path: NODES/gps }', '{ name: relay, path: NODES/relay }']);
  await plug('relay', 'c', 10, 200);
  await lend(lender, 'app', grant('gps'), grant('relay'));
  writeFileSync(places.udevQueue, '');
  await plug('gps', 'c', 10, 183);
  unplug('relay');
  await lender.reconcile();
  assert.deepEqual([existsSync(dev('app', 'gps')), existsSync(dev('app', 'relay'))], [false, false]);
  rmSync(places.udevQueue);
  while (!existsSync(dev('app', 'gps'))) await systemClock.sleep(10);
});

test('the next berthd takes away what belongs to nobody, and renews what is still lent', options, async (t) => {
  const { lender, dev, plug, again } = await bench(t, ['{ name: gps, path: NODES/gps }', '{ name: relay, path: NODES/relay }']);
  await plug('gps', 'c', 10, 200);
  await plug('relay', 'c', 10, 183);
  await lend(lender, 'keeper', grant('gps'));
  await lend(lender, 'gone', grant('relay'));
  const before = statSync(dev('keeper', 'gps')).ino;
  const next = await again();
  next.keep('keeper', [grant('gps')]);
  await next.sweep();
  assert.equal(existsSync(dev('gone')), false);
  assert.deepEqual([numberOf(dev('keeper', 'gps')), statSync(dev('keeper', 'gps')).ino === before], ['10:200', false]);
  assert.equal(next.request('gone', [grant('gps')]).kind, 'queued');
  assert.equal(next.request('gone', [grant('relay')]).kind, 'held');
});

test('what cannot be made is told once, leaves nothing half made, and is tried again at each look', options, async (t) => {
  const clock = new HandClock();
  const { lender, dev, plug, news } = await bench(t, ['{ name: gps, path: NODES/gps }', '{ name: relay, path: NODES/relay }'], clock);
  await lend(lender, 'app', grant('gps'), grant('relay'));
  // There is room for one of the two.
  const { ffree } = statfsSync(dev('app'));
  const fill = (index: number): string => dev('app', `fill${index}`);
  for (let index = 1; index < ffree; index += 1) writeFileSync(fill(index), '');
  await plug('gps', 'c', 10, 200);
  await plug('relay', 'c', 10, 183);
  await lender.reconcile();
  await lender.reconcile();
  assert.deepEqual(news.filter(({ type }) => type === 'app.warning').map(({ app }) => app), ['app']);
  assert.deepEqual(readdirSync(dev('app')).filter((name) => lstatSync(dev('app', name)).isCharacterDevice()).toSorted(), ['full', 'null', 'random', 'tty', 'urandom', 'zero']);
  // After the looks that the plugging set off, only the one that comes in any case is still to come.
  await clock.advance(0);
  await lender.reconcile();
  assert.equal(clock.pending, 1);
  unlinkSync(fill(1));
  await lender.reconcile();
  assert.deepEqual([numberOf(dev('app', 'gps')), numberOf(dev('app', 'relay'))], ['10:200', '10:183']);
});
