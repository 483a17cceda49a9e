import { ApiClient } from '../../test/support/api.ts';
import type { BerthEvent } from '../../src/lifecycle/index.ts';
import { followEvents } from '../events.ts';
import type { Figure } from '../figure.ts';
import { makeBenchPackage } from '../packages.ts';
import { alternate, compared } from '../pairs.ts';
import { inMs } from '../table.ts';
import { briefTrial, update } from '../updates.ts';

const app = 'one';

/** From the event that tells of the stop to the one that tells that the app runs again, as the daemon's clock has them. */
async function downtime(events: AsyncIterator<BerthEvent, void>): Promise<number> {
  let stoppedAt: number | undefined;
  for (;;) {
    const { value: event, done } = await events.next();
    if (done === true) throw new Error('the daemon ended the stream of events');
    const to = event.type === 'app.state' ? (event.detail as { to: string }).to : '';
    if (to === 'stopping') stoppedAt = event.at;
    if (to === 'running' && stoppedAt !== undefined) return event.at - stoppedAt;
  }
}

export const updateDowntime: Figure = {
  name: 'update-downtime',
  title: 'downtime of an app in an update ÷ its stop and start, no data',
  limit: 1.15,
  unit: 'times',
  async measure(bench) {
    const daemon = await bench.startDaemon(briefTrial);
    const api = new ApiClient(daemon.socket);
    const folder = bench.folder();
    const versions = [await makeBenchPackage(folder, app), await makeBenchPackage(folder, app, [], '2.0')];
    await update(api, versions[0]!);
    const events = followEvents(daemon.socket);
    let count = 0;
    const series = await alternate(
      {
        update: async () => {
          const updated = update(api, versions[(count += 1) % 2]!);
          const ms = await downtime(events);
          await updated;
          await bench.settle();
          return ms;
        },
        restart: async () => {
          await api.must('POST', `/apps/${app}/stop`);
          await api.must('POST', `/apps/${app}/start`);
          return downtime(events);
        },
      },
      { rounds: bench.rounds(30), warmUps: 2 },
    );
    await events.return(undefined);
    const { ratio, ...figure } = compared(series.update, series.restart);
    return {
      ...figure,
      notes: [inMs('from "stopping" to "running" in an update', series.update), inMs('the same for a stop and a start', series.restart)],
      series: { ...series, ratio },
    };
  },
};
