import { readFileSync } from 'node:fs';
import { ApiClient } from '../../test/support/api.ts';
import { until } from '../../test/support/berthd.ts';
import { makePackage } from '../../test/support/packages.ts';
import { addresses } from '../../test/support/town.ts';
import { bystanderLimit } from '../bystander.ts';
import type { Figure } from '../figure.ts';
import { makeBenchPackage } from '../packages.ts';
import { alternate, compared, timed } from '../pairs.ts';
import { inMs } from '../table.ts';

/** Served by two programs, so that the one of the bystander does not wait for the other. */
const port = 7000;
const target = 7001;
const bytes = 16 * 1024 * 1024;
const { ip4 } = addresses.outside;

/** Sends small and large datagrams as fast as it can, and asks for a stream that it does not need. */
const flood = `
import os, socket
for size in (32, 1400):
    if os.fork() == 0:
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        data = bytes(size)
        while True:
            try:
                sender.sendto(data, ('${ip4}', ${target}))
            except OSError:
                pass
receiver = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
receiver.connect(('${ip4}', ${target}))
while True:
    receiver.recv(65536)
`;
const packetsOfFlood = 10_000;

/** What a process's network device has received, in bytes, and sent, in packets (proc_pid_net(5)). */
function traffic(pid: number): { readonly receivedBytes: number; readonly sentPackets: number } {
  const [, text = ''] = /eth0:(.*)/.exec(readFileSync(`/proc/${pid}/net/dev`, 'utf8')) ?? [];
  const fields = text.trim().split(/\s+/).map(Number);
  return { receivedBytes: fields[0]!, sentPackets: fields[9]! };
}

/** How long a bystander takes to receive the same bytes. */
export const bystanderNetwork: Figure = {
  name: 'bystander-network',
  title: 'an app receives 16 MiB while another floods the network ÷ while it is still',
  limit: bystanderLimit,
  unit: 'times',
  async measure(bench) {
    const town = await bench.town();
    for (const served of [port, target]) await town.pour(town.outside, served);
    const policy = { 'all.yaml': 'apps: ["*"]\nrights:\n  networks: [bridge]\n' };
    const daemon = await bench.startDaemon('network: {dns: []}\n', { policy, within: town.within(town.device) });
    const api = new ApiClient(daemon.socket);
    const network = { mode: 'bridge' };
    await api.install(await makeBenchPackage(bench.folder(), 'bystander', [], '1.0', { network, command: ['/bin/sh', '-c', `while :; do nc ${ip4} ${port} >/dev/null; done`] }), { start: true });
    await api.install(await makePackage(bench.folder(), {
      name: 'attacker', annotations: { 'network': 'bridge', 'stop-timeout': '0s' }, files: { 'flood.py': flood }, programs: ['/usr/bin/python3'], pythonModules: ['os', 'socket'],
      oci: { process: { user: { uid: 0, gid: 0 }, args: ['/usr/bin/python3', '-S', '/flood.py'], env: ['PATH=/bin'], cwd: '/' } },
    }), { start: false });
    const { instance } = await api.app('bystander');
    const receive = async (): Promise<number> => {
      const before = traffic(instance!.pid).receivedBytes;
      return timed(async () => until(() => traffic(instance!.pid).receivedBytes - before >= bytes));
    };
    const floods: number[] = [];
    const series = await alternate(
      {
        flooded: async () => {
          await api.must('POST', '/apps/attacker/start');
          const attacker = (await api.app('attacker')).instance!.pid;
          await until(() => traffic(attacker).sentPackets > 0);
          const before = traffic(attacker).sentPackets;
          const ms = await receive();
          floods.push(traffic(attacker).sentPackets - before);
          await api.must('POST', '/apps/attacker/kill');
          return ms;
        },
        still: receive,
      },
      { rounds: bench.rounds(10) },
    );
    const { ratio, ...figure } = compared(series.flooded, series.still);
    const fewest = Math.min(...floods);
    const conditions = [{ what: `the flood was one, of at least ${packetsOfFlood} packets a round (${fewest})`, met: fewest >= packetsOfFlood }];
    return { ...figure, conditions, notes: [inMs('16 MiB beside a flood', series.flooded), inMs('16 MiB', series.still)], series: { ...series, ratio } };
  },
};
