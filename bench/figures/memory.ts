import { setTimeout as delay } from 'node:timers/promises';
import { ApiClient } from '../../test/support/api.ts';
import type { Figure } from '../figure.ts';
import { makeBenchPackage } from '../packages.ts';
import { descriptors, privateDirtyBytes } from '../processes.ts';

const apps = 20;
/** Readings of the memory during the churn. */
const readings = 10;
/** A daemon that has nothing to do for this long counts as idle. */
const idleMs = 3000;
/** Garbage comes and goes, so means of three readings are compared: the last ones may be this much above those four before. */
const flatMb = 1;

export const memory: Figure = {
  name: 'memory',
  title: `berthd's private dirty memory with ${apps} idle apps, after 2,000 starts and stops`,
  limit: 28,
  unit: 'MB',
  async measure(bench) {
    const churn = bench.quick ? 200 : 2000;
    const daemon = await bench.startDaemon();
    const api = new ApiClient(daemon.socket);
    const folder = bench.folder();
    const names = Array.from({ length: apps }, (_, index) => `app-${index}`);
    for (const name of names) {
      await api.install(await makeBenchPackage(folder, name), { start: false });
      await api.must('POST', `/apps/${name}/start`);
    }
    const series = { memoryMb: [] as number[], descriptors: [] as number[] };
    const read = async (): Promise<void> => {
      await delay(idleMs);
      series.memoryMb.push(privateDirtyBytes(daemon.pid) / 1e6);
      series.descriptors.push(descriptors(daemon.pid));
    };
    await read();
    for (let reading = 0; reading < readings; reading += 1) {
      for (let step = 0; step < churn / readings; step += 1) {
        const name = names[step % apps]!;
        await api.must('POST', `/apps/${name}/stop`);
        await api.must('POST', `/apps/${name}/start`);
      }
      await read();
    }
    const [memoryMb, open] = [series.memoryMb, series.descriptors];
    const growth = mean(memoryMb.slice(-3)) - mean(memoryMb.slice(-7, -4));
    return {
      value: memoryMb.at(-1)!,
      min: Math.min(...memoryMb),
      max: Math.max(...memoryMb),
      conditions: [
        { what: `flat: the last four tenths of the churn added ${growth.toFixed(2)} MB, at most ${flatMb}`, met: growth <= flatMb },
        { what: `as many open descriptors after (${open.at(-1)}) as before (${open[0]})`, met: open.at(-1)! <= open[0]! },
      ],
      notes: [`before the churn and after each tenth of ${churn} starts and stops: ${memoryMb.map((mb) => mb.toFixed(1)).join(', ')} MB`],
      series,
    };
  },
};

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
