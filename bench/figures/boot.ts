import { ApiClient } from '../../test/support/api.ts';
import type { TestDaemon } from '../../test/support/berthd.ts';
import { followEvents, nextRunning } from '../events.ts';
import type { Figure } from '../figure.ts';
import { makeBenchPackage } from '../packages.ts';
import { alternate, compared, timed } from '../pairs.ts';
import { runningConfig } from '../running-config.ts';
import { inMs } from '../table.ts';

const count = 50;
const names = Array.from({ length: count }, (_, index) => `app-${index}`);

/** Starts at a time: what `berthd` does on two cores. */
const parallel = 4;

export const boot: Figure = {
  name: 'boot',
  title: `${count} apps, cold start of berthd to all running ÷ ${count} bare starts, ${parallel} at a time in both`,
  limit: 1.2,
  unit: 'times',
  async measure(bench) {
    const daemon = await bench.startDaemon(`parallel-starts: ${parallel}\n`);
    const bare = await bench.bareContainers();
    const folder = bench.folder();
    const api = new ApiClient(daemon.socket);
    for (const name of names) await api.install(await makeBenchPackage(folder, name), { start: false });
    const config = await runningConfig(daemon, names[0]!);
    for (const name of names) bare.bundle(name, config);
    await inParallel(names, (name) => api.must('POST', `/apps/${name}/start`));
    await daemon.cutPower();

    const series = await alternate(
      {
        berth: async () => {
          await bench.settle();
          const ms = await timed(() => startUntilAllRun(daemon));
          await daemon.cutPower();
          return ms;
        },
        bare: async () => {
          await bench.settle();
          const ms = await timed(() => inParallel(names, (name) => bare.start(name)));
          await inParallel(names, (name) => bare.end(name));
          return ms;
        },
      },
      { rounds: bench.rounds(8) },
    );
    const { ratio, ...figure } = compared(series.berth, series.bare);
    return {
      ...figure,
      notes: [inMs('through Berth, from the start of its process', series.berth), inMs('bare', series.bare)],
      series: { ...series, ratio },
    };
  },
};

async function startUntilAllRun(daemon: TestDaemon): Promise<void> {
  await daemon.start();
  const running = new Set<string>();
  const events = followEvents(daemon.socket);
  while (running.size < count) running.add(await nextRunning(events));
  await events.return();
}

async function inParallel<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
  const left = [...items];
  const work = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await act(item);
  };
  await Promise.all(Array.from({ length: parallel }, work));
}
