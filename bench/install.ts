import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { berthBundle } from '../test/support/berthd.ts';
import { ApiClient } from '../test/support/api.ts';
import type { Measurement } from './figure.ts';
import { makeBenchPackage, type Filling } from './packages.ts';
import { alternate, compared, timed } from './pairs.ts';
import { succeed } from './succeed.ts';
import { inMs } from './table.ts';
import type { Workbench } from './workbench.ts';

const app = 'one';

export interface InstallOptions {
  readonly filling: readonly Filling[];
  readonly rounds: number;
  /** What is done with the unpacked package (in the working directory) besides `sync -f`. */
  readonly alsoBare: readonly (readonly string[])[];
}

/** Installs a package through Berth, and unpacks the same file with dpkg-deb; always to a place that is not there yet. */
export async function measureInstall(bench: Workbench, { filling, rounds, alsoBare }: InstallOptions): Promise<Measurement> {
  const daemon = await bench.startDaemon();
  const api = new ApiClient(daemon.socket);
  const folder = bench.folder();
  const path = await makeBenchPackage(folder, app, filling);
  const target = join(folder, 'target');
  const remove = async (): Promise<void> => {
    await api.must('DELETE', `/apps/${app}?purge=true`);
    await bench.settle();
  };
  const series = await alternate(
    {
      berth: async () => {
        const ms = await timed(() => api.install(path, { start: false }));
        await remove();
        return ms;
      },
      bare: async () => {
        const ms = await timed(async () => {
          await succeed(folder, 'dpkg-deb', '-x', path, target);
          await succeed(target, 'sync', '-f', target);
          for (const command of alsoBare) await succeed(target, ...command);
        });
        rmSync(target, { recursive: true });
        await bench.settle();
        return ms;
      },
      cli: async () => {
        const ms = await timed(() => succeed(folder, process.execPath, berthBundle, '--host', `unix://${daemon.socket}`, 'install', path, '--no-start'));
        await remove();
        return ms;
      },
    },
    { rounds },
  );
  const { ratio, ...figure } = compared(series.berth, series.bare);
  return {
    ...figure,
    notes: [
      inMs('through Berth, from the request to its answer', series.berth),
      inMs(`\`dpkg-deb -x\`, \`sync -f\`${alsoBare.map(([program]) => `, \`${program}\``).join('')}`, series.bare),
      inMs('`berth install --no-start`, with the start of the program itself', series.cli),
    ],
    series: { ...series, ratio },
  };
}
