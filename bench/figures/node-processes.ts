import { ApiClient } from '../../test/support/api.ts';
import type { Figure } from '../figure.ts';
import { makeBenchPackage } from '../packages.ts';
import { descendants, programOf } from '../processes.ts';

const apps = 5;

export const nodeProcesses: Figure = {
  name: 'node-processes',
  title: `Node processes for ${apps} running apps, besides berthd`,
  limit: 0,
  unit: 'processes',
  async measure(bench) {
    const daemon = await bench.startDaemon();
    const api = new ApiClient(daemon.socket);
    const folder = bench.folder();
    for (let index = 0; index < apps; index += 1) {
      await api.install(await makeBenchPackage(folder, `app-${index}`), { start: false });
      await api.must('POST', `/apps/app-${index}/start`);
    }
    const found = new Set([...daemon.processes(), ...descendants(daemon.pid)]);
    const programs = [...found].map(programOf).filter((name) => name !== undefined);
    const counts = Map.groupBy(programs, (name) => name);
    return {
      value: counts.get('node')?.length ?? 0,
      notes: [`processes of the apps: ${[...counts].map(([name, all]) => `${all.length} ${name}`).join(', ')}`],
      series: {},
    };
  },
};
