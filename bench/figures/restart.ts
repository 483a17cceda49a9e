import { ApiClient } from '../../test/support/api.ts';
import { followEvents, nextRunning } from '../events.ts';
import type { Figure } from '../figure.ts';
import { makeBenchPackage } from '../packages.ts';
import { alternate, compared, timed } from '../pairs.ts';
import { runningConfig } from '../running-config.ts';
import { inMs } from '../table.ts';

const app = 'one';

export const restart: Figure = {
  name: 'restart',
  title: 'app killed → running again (first restart, no wait) ÷ a bare start',
  limit: 2,
  unit: 'times',
  async measure(bench) {
    const daemon = await bench.startDaemon();
    const api = new ApiClient(daemon.socket);
    await api.install(await makeBenchPackage(bench.folder(), app), { start: false });
    const bare = await bench.bareContainers();
    bare.bundle(app, await runningConfig(daemon, app));
    const events = followEvents(daemon.socket);
    await nextRunning(events);

    const series = await alternate(
      {
        berth: async () => {
          // A start by a person makes the next restart the first one.
          await api.must('POST', `/apps/${app}/start`);
          const { instance } = await api.app(app);
          const killedAt = Date.now();
          const ms = await timed(async () => {
            process.kill(instance!.pid, 'SIGKILL');
            await nextRunning(events, killedAt);
          });
          await api.must('POST', `/apps/${app}/kill`);
          return ms;
        },
        bare: async () => {
          const { createMs, startMs } = await bare.start(app);
          await bare.end(app);
          return createMs + startMs;
        },
      },
      { rounds: bench.rounds(30) },
    );
    await events.return();
    const { ratio, ...figure } = compared(series.berth, series.bare);
    return {
      ...figure,
      notes: [inMs('from SIGKILL to the event that tells of the new start', series.berth), inMs('bare start', series.bare)],
      series: { ...series, ratio },
    };
  },
};
