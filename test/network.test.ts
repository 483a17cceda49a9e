/** Networks of apps, tried from inside the apps' own network namespaces with all that root can do there. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { berthdBundle, until, whyNoContainers } from './support/berthd.ts';
import { startDevice, type Device } from './support/device.ts';
import { arpReply, datagram, everyone, hardware, neighbourAdvertisement, routerAdvertisement, tagged, type Ends } from './support/frames.ts';
import { addresses, openTown, type Town } from './support/town.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 180_000 } : { skip };

const { outside, device } = addresses;
/** Served everywhere in these tests; what is reached with it would be a service. */
const port = 7000;
const gateway = { ip4: '10.77.0.1', ip6: 'fd00:77::1', mac: '02:62:65:72:74:68' };
const bridged = { network: 'bridge' };

interface Networked extends Device {
  readonly town: Town;
  /** The first process of an app, in whose network namespace things can be tried. */
  pid(app: string): Promise<number>;
  /** Addresses of an app, IPv4 and IPv6. */
  addressesOf(app: string): Promise<readonly [string, string]>;
  /** Network devices, tables of rules and forwarding of the host that plays the device. */
  traces(): Promise<readonly string[]>;
}

/** A daemon in a town, whose policy lets every app have any network; lines for the policy and for `network` in the configuration. */
async function startNetworked(t: TestContext, { rights = [], network = [] }: { readonly rights?: readonly string[]; readonly network?: readonly string[] } = {}): Promise<Networked> {
  const town = await openTown(t);
  const lines = (...items: readonly string[]): string => items.map((item) => `  ${item}\n`).join('');
  const started = await startDevice(t, {
    program: [...town.within(town.device), process.execPath, berthdBundle],
    policy: { 'all.yaml': `apps: ["*"]\nrights:\n${lines('capabilities: [CAP_AUDIT_WRITE, CAP_KILL, CAP_NET_BIND_SERVICE]', 'networks: [bridge, host]', 'ports: [8000-8999/tcp, 53/udp]', ...rights)}` },
    config: `network:\n${lines('bridge: apps0', 'subnet: 10.77.0.0/24', 'subnet6: "fd00:77::/64"', `dns: [${outside.ip4}]`, ...network)}`,
  });
  const { api } = started;
  return {
    ...started,
    town,
    pid: async (app) => (await api.app(app)).instance!.pid,
    addressesOf: async (app) => {
      const [ip4 = '', ip6 = ''] = (await api.app(app)).network!.addresses.map((address) => address.replace(/\/.*/, ''));
      return [ip4, ip6];
    },
    traces: async () => {
      const links = (await town.output(town.device, 'ip', '-brief', 'link')).trim().split('\n').map((line) => line.split(/[\s@]/)[0]!);
      const tables = (await town.output(town.device, 'nft', 'list', 'tables')).trim().split('\n').filter((line) => line !== '');
      const forwarding = (await town.output(town.device, 'cat', '/proc/sys/net/ipv4/ip_forward', '/proc/sys/net/ipv6/conf/all/forwarding')).trim().split('\n');
      return [...links, ...tables, ...forwarding];
    },
  };
}

const untouched = ['lo', 'uplink', '0', '0'];

test('an app with a bridge reaches the internet through the address of the device, and knows its name and name servers', options, async (t) => {
  const { town, install, inside, pid, addressesOf, api } = await startNetworked(t);
  await install({ name: 'web', annotations: bridged });
  await town.serve(town.outside, port);
  const app = await pid('web');
  assert.equal(await town.ask(app, outside.ip4, port), `seen as ${device.ip4}`);
  assert.equal(await town.ask(app, outside.ip6, port), `seen as ${device.ip6}`);
  assert.deepEqual(await town.reachable(app, [[outside.private4, port], [outside.private6, port]]), [], 'private networks are not the internet');
  const [ip4, ip6] = await addressesOf('web');
  assert.equal((await inside('web', 'cat /etc/hosts')).stdout, `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${ip4}\tapp\n${ip6}\tapp\n`);
  assert.equal((await inside('web', 'cat /etc/resolv.conf; echo x > /etc/resolv.conf')).stdout, `nameserver ${outside.ip4}\n`);
  const { network } = await api.app('web');
  assert.deepEqual(network, { mode: 'bridge', addresses: [`${ip4}/24`, `${ip6}/64`], ports: [], bandwidth: { in: 100_000_000, out: 100_000_000 } });
});

test('an app reaches neither host nor neighbour, by no address and no published port', options, async (t) => {
  const { town, install, pid, addressesOf } = await startNetworked(t);
  await install({ name: 'web', annotations: bridged });
  await install({ name: 'other', annotations: { ...bridged, 'network.ports': `8080:${port}` } });
  const other = await pid('other');
  const [other4, other6] = await addressesOf('other');
  const heard = [await town.serve(town.device, port), await town.serve(other, port)];
  await town.serve(town.outside, port);
  const app = await pid('web');
  const targets = [gateway.ip4, gateway.ip6, device.ip4, device.ip6, 'fe80::1%eth0', other4, other6];
  assert.deepEqual(await town.reachable(app, [...targets.map((address) => [address, port] as const), [device.ip4, 8080], [device.ip6, 8080]]), []);
  for (const address of [...targets, '10.77.0.255', '255.255.255.255', '224.0.0.1', 'ff02::1%eth0']) await town.tell(app, address, port, 'forbidden');
  // What went the same way afterwards has arrived, so the rest never will.
  assert.equal(await town.ask(app, outside.ip4, port), `seen as ${device.ip4}`);
  assert.deepEqual(heard, [[], []]);
  assert.equal(await town.ask(town.device, other4, port), `seen as ${gateway.ip4}`, 'the host reaches apps');
});

test('a published port is reached from outside and from the host, in both families, and no other port is', options, async (t) => {
  const { town, install, pid, addressesOf, api } = await startNetworked(t);
  await install({ name: 'web', annotations: { ...bridged, 'network.ports': `8080:${port},53:53/udp` } });
  const app = await pid('web');
  await town.serve(app, port);
  const names = await town.serve(app, 53);
  assert.deepEqual((await api.app('web')).network!.ports, [`8080:${port}/tcp`, '53:53/udp']);
  // First from the host, which does not know yet where the app's address is.
  assert.equal(await town.ask(town.device, device.ip4, 8080), `seen as ${device.ip4}`);
  assert.equal(await town.ask(town.outside, device.ip4, 8080), `seen as ${outside.ip4}`);
  assert.equal(await town.ask(town.outside, device.ip6, 8080), `seen as ${outside.ip6}`);
  await town.tell(town.outside, device.ip4, 53, 'query');
  await until(() => names.includes(`${outside.ip4} query`));
  const [ip4, ip6] = await addressesOf('web');
  await town.output(town.outside, 'ip', 'route', 'add', '10.77.0.0/24', 'via', device.ip4);
  await town.output(town.outside, 'ip', '-6', 'route', 'add', 'fd00:77::/64', 'via', device.ip6);
  assert.deepEqual(await town.reachable(town.outside, [[ip4, port], [ip6, port], [device.ip4, port], [device.ip6, port]]), []);
});

test('frames with addresses of others, or for others, go nowhere', options, async (t) => {
  const { town, install, pid, addressesOf } = await startNetworked(t);
  for (const name of ['attacker', 'victim']) await install({ name, annotations: bridged });
  const ends = async (name: string): Promise<{ readonly mac: string; readonly ip4: string; readonly ip6: string }> => {
    const [ip4, ip6] = await addressesOf(name);
    return { mac: await town.hardwareAddress(await pid(name), 'eth0'), ip4, ip6 };
  };
  const attacker = await ends('attacker');
  const victim = await ends('victim');
  const [app, other] = [await pid('attacker'), await pid('victim')];
  await town.serve(town.outside, port);
  // So that the host knows where the victim is.
  await town.ask(other, outside.ip4, port);
  await town.ask(other, outside.ip6, port);
  const outsideHears = await town.sniff(town.outside, 'wan', Buffer.from('forged'));
  const honestHears = await town.sniff(town.outside, 'wan', Buffer.from('honest'));
  const victimHears = await town.sniff(other, 'eth0', hardware(attacker.mac));
  const places = await town.output(town.device, 'bridge', 'fdb', 'show');
  const routes = await town.output(town.device, 'ip', '-6', 'route');
  const by4 = (from: Partial<Ends['from']> = {}, to: Partial<Ends['to']> = {}): Ends => ({ from: { mac: attacker.mac, ip: attacker.ip4, ...from }, to: { mac: gateway.mac, ip: outside.ip4, ...to } });
  const by6 = (from: Partial<Ends['from']> = {}, to: Partial<Ends['to']> = {}): Ends => ({ from: { mac: attacker.mac, ip: attacker.ip6, ...from }, to: { mac: gateway.mac, ip: outside.ip6, ...to } });
  await town.frames(
    app,
    'eth0',
    datagram(by4({ ip: victim.ip4 }), port, 'forged'),
    datagram(by4({ mac: victim.mac }), port, 'forged'),
    datagram(by4({ ip: gateway.ip4 }), port, 'forged'),
    datagram(by4({ ip: device.ip4 }), port, 'forged'),
    datagram(by6({ ip: victim.ip6 }), port, 'forged'),
    datagram(by6({ ip: 'fe80::2' }), port, 'forged'),
    datagram(by4({}, { mac: victim.mac, ip: victim.ip4 }), port, 'forged'),
    datagram(by4({}, { mac: everyone, ip: victim.ip4 }), port, 'forged'),
    datagram(by6({}, { mac: victim.mac, ip: victim.ip6 }), port, 'forged'),
    datagram(by6({}, { mac: '33:33:00:00:00:01', ip: 'ff02::1' }), port, 'forged'),
    tagged(datagram(by4({}, { mac: victim.mac, ip: victim.ip4 }), port, 'forged'), 5),
    arpReply(by4({}, { ip: gateway.ip4 }), victim.ip4),
    arpReply(by4({}, { mac: everyone, ip: victim.ip4 }), gateway.ip4),
    arpReply(by4({}, { mac: victim.mac, ip: victim.ip4 }), gateway.ip4),
    neighbourAdvertisement(by6({}, { ip: gateway.ip6 }), victim.ip6),
    neighbourAdvertisement(by6({ ip: victim.ip6 }, { ip: gateway.ip6 }), victim.ip6),
    neighbourAdvertisement(by6({}, { mac: '33:33:00:00:00:01', ip: 'ff02::1' }), gateway.ip6),
    routerAdvertisement(by6({ ip: 'fe80::2' }, { mac: '33:33:00:00:00:01', ip: 'ff02::1' })),
    routerAdvertisement(by6({}, { ip: gateway.ip6 })),
    // To an address that bridges keep to themselves (IEEE 802.1D), as if the sender were the victim.
    datagram(by4({ mac: victim.mac }, { mac: '01:80:c2:00:00:0e' }), port, 'forged'),
    datagram(by4(), port, 'honest'),
    datagram(by6(), port, 'honest'),
  );
  // They were sent last.
  await until(() => honestHears.length === 2);
  assert.deepEqual([outsideHears, victimHears], [[], []]);
  for (const address of [victim.ip4, victim.ip6]) assert.match(await town.output(town.device, 'ip', 'neighbour', 'show', address), new RegExp(victim.mac));
  assert.equal(await town.output(town.device, 'ip', '-6', 'route'), routes);
  assert.equal(await town.output(town.device, 'bridge', 'fdb', 'show'), places);
});

test('an app connects only to what is on its list, and to its name servers', options, async (t) => {
  const { town, install, pid } = await startNetworked(t);
  const outbound = `${outside.ip4}:${port}/tcp,${outside.ip4}:7001/udp,[2001:db8::]/64:7001/tcp`;
  await install({ name: 'web', annotations: { ...bridged, 'network.outbound': outbound } });
  for (const served of [port, 7002, 53]) await town.serve(town.outside, served);
  const heard = await town.serve(town.outside, 7001);
  const app = await pid('web');
  const allowed = [[outside.ip4, port], [outside.ip4, 53], [outside.ip6, 7001]] as const;
  for (const [address, to] of allowed) await town.ask(app, address, to);
  const all = [outside.ip4, outside.ip6].flatMap((address) => [port, 7001, 7002, 53].map((to) => [address, to] as const));
  assert.deepEqual(await town.reachable(app, all.filter(([address, to]) => !allowed.some((one) => one[0] === address && one[1] === to))), []);
  await town.tell(app, outside.ip6, 7001, 'forbidden');
  await town.tell(app, outside.ip4, 7001, 'allowed');
  await until(() => heard.length > 0);
  assert.deepEqual(heard, [`${device.ip4} allowed`]);
});

test('a policy that lists a private network opens it, and closes the internet', options, async (t) => {
  const { town, install, pid } = await startNetworked(t, { rights: ['outbound: [192.168.77.0/24]'] });
  await install({ name: 'web', annotations: bridged });
  await town.serve(town.outside, port);
  const app = await pid('web');
  await town.ask(app, outside.private4, port);
  assert.deepEqual(await town.reachable(app, [[outside.ip4, port], [outside.ip6, port], [outside.private6, port]]), []);
});

test('bandwidth is limited by queues in both directions', options, async (t) => {
  const { town, install, pid, addressesOf } = await startNetworked(t);
  await install({ name: 'web', annotations: { ...bridged, 'network.bandwidth.in': '3Mbit', 'network.bandwidth.out': '1Mbit' } });
  const queues = await town.output(town.device, 'tc', 'qdisc', 'show');
  const end = /tbf .* dev (veth\S+) root .*rate 3Mbit/.exec(queues)?.[1];
  const detour = /tbf .* dev (bwp\S+) root .*rate 1Mbit/.exec(queues)?.[1];
  assert.ok(end !== undefined && detour !== undefined, queues);
  assert.match(await town.output(town.device, 'tc', 'filter', 'show', 'dev', end, 'parent', 'ffff:'), new RegExp(`match 00000000/00000000 at 0[^]*Egress Redirect to device ${detour}`));
  // Far more at once than the queue of 64 KiB and its burst hold, so that some is dropped.
  const app = await pid('web');
  const [ip] = await addressesOf('web');
  const packet = datagram({ from: { mac: await town.hardwareAddress(app, 'eth0'), ip }, to: { mac: gateway.mac, ip: outside.ip4 } }, port, 'x'.repeat(1400));
  await town.frames(app, 'eth0', ...Array.from({ length: 300 }, () => packet));
  const passed = /Sent (\d+) bytes (\d+) pkt \(dropped (\d+)/.exec(await town.output(town.device, 'tc', '-s', 'qdisc', 'show', 'dev', detour))!;
  assert.ok(Number(passed[3]) > 0, passed[0]);
});

test('nothing is left of the network when the last app with a bridge has stopped', options, async (t) => {
  const { install, api, daemon, traces } = await startNetworked(t);
  assert.deepEqual(await traces(), untouched);
  for (const name of ['one', 'two']) await install({ name, annotations: { ...bridged, 'network.bandwidth.out': '1Mbit' } });
  assert.equal((await traces()).includes('table inet apps0'), true);
  await api.must('POST', '/apps/one/stop');
  assert.equal((await traces()).filter((name) => /^veth|^bwp/.test(name)).length, 2);
  process.kill((await api.app('two')).instance!.pid, 'SIGKILL');
  await until(async () => (await api.app('two')).restarts === 1 && (await api.app('two')).state === 'running');
  assert.equal((await traces()).filter((name) => /^veth|^bwp/.test(name)).length, 2);
  await api.must('POST', '/apps/two/stop');
  assert.deepEqual(await traces(), untouched);
  assert.equal(existsSync(`${daemon.runDir}/forwarding`), false);
});

test('rules that another program takes away come back at once', options, async (t) => {
  const { install, town, pid, traces, daemon } = await startNetworked(t);
  await install({ name: 'web', annotations: bridged });
  await town.serve(town.device, port);
  await town.output(town.device, 'nft', 'flush', 'ruleset');
  await until(() => daemon.log.includes('taken away by another program'));
  await until(async () => (await traces()).includes('table inet apps0'));
  assert.deepEqual(await town.reachable(await pid('web'), [[gateway.ip4, port], [device.ip4, port]]), []);
});

test('after berthd was killed apps stay connected and held, and a new one takes away what nobody needs', options, async (t) => {
  const { install, api, daemon, town, pid, traces, addressesOf } = await startNetworked(t);
  for (const name of ['one', 'two']) await install({ name, annotations: { ...bridged, 'network.ports': name === 'one' ? '8001:7000' : '8002:7000' } });
  const before = await addressesOf('one');
  await daemon.end('SIGKILL');
  process.kill(pidFrom(daemon.runDir, 'two'), 'SIGKILL');
  // As a firewall does that is loaded anew.
  await town.output(town.device, 'nft', 'flush', 'ruleset');
  await daemon.start();
  await until(async () => (await api.app('two')).state === 'running');
  assert.deepEqual(await addressesOf('one'), before);
  await town.serve(town.outside, port);
  await town.serve(town.device, port);
  await town.serve(await pid('one'), port);
  assert.equal(await town.ask(await pid('one'), outside.ip4, port), `seen as ${device.ip4}`);
  assert.equal(await town.ask(town.outside, device.ip4, 8001), `seen as ${outside.ip4}`);
  assert.deepEqual(await town.reachable(await pid('one'), [[gateway.ip4, port], [device.ip4, port]]), []);
  assert.equal((await traces()).filter((name) => name.startsWith('veth')).length, 2);
  for (const name of ['one', 'two']) await api.must('POST', `/apps/${name}/stop`);
  assert.deepEqual(await traces(), untouched);
});

test('many apps that start at once each have addresses of their own', options, async (t) => {
  const { api, install, town, daemon, addressesOf, pid } = await startNetworked(t);
  const names = Array.from({ length: 5 }, (_, index) => `app${index}`);
  for (const name of names) await install({ name, annotations: bridged });
  await daemon.reboot();
  for (const name of names) await until(async () => (await api.app(name)).state === 'running');
  assert.equal(new Set((await Promise.all(names.map(addressesOf))).flat()).size, 10);
  await town.serve(town.outside, port);
  for (const name of names) assert.equal(await town.ask(await pid(name), outside.ip6, port), `seen as ${device.ip6}`);
});

test('without plugins an app with a bridge does not start, and is told what to install', options, async (t) => {
  const { install, api, traces, settled } = await startNetworked(t, { network: ['plugins: /nonexistent'] });
  await install({ name: 'web', annotations: { ...bridged, restart: 'never' } }).catch(() => undefined);
  const { reason } = await settled('web', ({ state }) => state === 'failed');
  assert.match(reason!.message, /CNI plugins .* not in \/nonexistent.*containernetworking-plugins/);
  assert.deepEqual(await traces(), untouched);
  const { checks } = JSON.parse((await api.must('GET', '/doctor')).body) as { checks: { name: string; outcome: string; advice?: string }[] };
  assert.match(checks.find(({ name }) => name === 'network-plugins')!.advice!, /install containernetworking-plugins/);
});

test('two apps cannot publish the same port', options, async (t) => {
  const { install, refusal } = await startNetworked(t);
  await install({ name: 'web', annotations: { ...bridged, 'network.ports': '8080:80' } });
  const error = await refusal({ name: 'shop', annotations: { ...bridged, 'network.ports': '8080:3000' } });
  assert.deepEqual([error.code, /port 8080\/tcp of this device, as web does/.test(error.message)], ['conflict', true]);
});

test('without a network an app has loopback only; with that of the host it has all of it, and nothing at /sys', options, async (t) => {
  const { install, inside, api, town, pid, traces } = await startNetworked(t);
  await install({ name: 'alone' });
  assert.match((await inside('alone', 'busybox ip -o link')).stdout, /^1: lo: <LOOPBACK,UP[^\n]*\n$/);
  assert.equal((await api.app('alone')).network, undefined);
  await install({ name: 'free', annotations: { network: 'host' } });
  assert.match((await inside('free', 'busybox ip -o link')).stdout, /: uplink@/);
  assert.equal((await inside('free', 'ls /sys; busybox grep -c sysfs /proc/mounts')).stdout, '0\n');
  await town.serve(town.outside, port);
  assert.equal(await town.ask(await pid('free'), outside.ip4, port), `seen as ${device.ip4}`);
  assert.deepEqual((await api.app('free')).network, { mode: 'host', addresses: [], ports: [] });
  assert.deepEqual(await traces(), untouched);
});

/** First process of an app, while no daemon is there to ask. */
function pidFrom(runDir: string, app: string): number {
  for (const id of readdirSync(`${runDir}/bundles`)) {
    const bundle = `${runDir}/bundles/${id}`;
    if (readFileSync(`${bundle}/app`, 'utf8') === app) return Number(readFileSync(`${bundle}/init.pid`, 'utf8'));
  }
  throw new Error(`no bundle of ${app}`);
}
