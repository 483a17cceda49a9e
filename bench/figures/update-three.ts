import { mkdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ApiClient } from '../../test/support/api.ts';
import type { Figure } from '../figure.ts';
import { makeBenchPackage } from '../packages.ts';
import { alternate, compared, timed } from '../pairs.ts';
import { runningConfig } from '../running-config.ts';
import { succeed } from '../succeed.ts';
import { inMs } from '../table.ts';
import { briefTrial, update } from '../updates.ts';

const apps = ['one', 'two', 'three'] as const;
const mib = 1024 ** 2;
/** What each app holds besides its small root file system. */
const filling = [{ path: 'usr/lib/app/program', bytes: 10 * mib }, { path: 'usr/lib/app/library', bytes: 5 * mib }];

export const updateThree: Figure = {
  name: 'update-three',
  title: 'update of a payload of three running apps ÷ unpacking, `sync -f`, three stops and three starts by hand',
  limit: 1.3,
  unit: 'times',
  async measure(bench) {
    const daemon = await bench.startDaemon(briefTrial);
    const api = new ApiClient(daemon.socket);
    const folder = bench.folder();
    const payloads: string[] = [];
    for (const version of ['1.0', '2.0']) {
      const packages = [];
      for (const app of apps) packages.push(await makeBenchPackage(folder, app, filling, version));
      const payload = join(folder, `payload-${version}.tar`);
      await succeed(folder, 'tar', '-cf', payload, ...packages.map((path) => basename(path)));
      payloads.push(payload);
    }
    await update(api, payloads[0]!);
    const bare = await bench.bareContainers();
    for (const app of apps) {
      bare.bundle(app, await runningConfig(daemon, app));
      await bare.start(app);
    }
    const target = join(folder, 'target');
    let count = 0;
    const series = await alternate(
      {
        berth: async () => {
          const ms = await timed(() => update(api, payloads[(count += 1) % 2]!));
          await bench.settle();
          return ms;
        },
        bare: async () => {
          const ms = await timed(async () => {
            mkdirSync(target);
            for (const app of apps) await succeed(folder, 'dpkg-deb', '-x', join(folder, `${app}.ipk`), join(target, app));
            await succeed(folder, 'sync', '-f', target);
            for (const app of apps) await bare.end(app);
            for (const app of apps) await bare.start(app);
          });
          rmSync(target, { recursive: true });
          await bench.settle();
          return ms;
        },
      },
      { rounds: bench.rounds(15) },
    );
    const { ratio, ...figure } = compared(series.berth, series.bare);
    return {
      ...figure,
      notes: [
        inMs('from the request to the answer that it is committed, the old images deleted', series.berth),
        inMs('`dpkg-deb -x` three times, `sync -f`, three stops, three starts, one after the other', series.bare),
      ],
      series: { ...series, ratio },
    };
  },
};
