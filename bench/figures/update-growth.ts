import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiClient } from '../../test/support/api.ts';
import type { Figure } from '../figure.ts';
import { makeBenchPackage } from '../packages.ts';
import { descriptors, privateDirtyBytes } from '../processes.ts';
import { briefTrial, update } from '../updates.ts';

/** The history of updates is full after this many; what comes then must not grow. */
const warmUp = 250;
const readings = 6;
const idleMs = 3000;
/** Garbage comes and goes: the mean of the last half of the readings may be this much above that of the first. */
const flatMb = 1;

export const updateGrowth: Figure = {
  name: 'update-growth',
  title: 'rows, files and descriptors that 1,000 updates of one app leave (after the first 250)',
  limit: 0,
  unit: 'things',
  async measure(bench) {
    const updates = bench.quick ? 320 : 1000;
    const daemon = await bench.startDaemon(briefTrial);
    const api = new ApiClient(daemon.socket);
    const folder = bench.folder();
    const versions = [await makeBenchPackage(folder, 'one'), await makeBenchPackage(folder, 'one', [], '2.0')];
    let count = 0;
    const updateUntil = async (total: number): Promise<void> => {
      for (; count < total; count += 1) await update(api, versions[count % 2]!);
      await delay(idleMs);
    };
    const rows = async (path: string, key: string): Promise<number> => (JSON.parse((await api.must('GET', path)).body) as Record<string, unknown[]>)[key]!.length;
    const read = async (): Promise<number[]> => [
      (await rows('/updates', 'updates')) + (await rows('/images', 'images')),
      readdirSync(daemon.root, { recursive: true }).length + readdirSync(daemon.runDir, { recursive: true }).length,
      descriptors(daemon.pid),
    ];
    await updateUntil(warmUp);
    const before = await read();
    const memoryMb = [privateDirtyBytes(daemon.pid) / 1e6];
    for (let reading = 1; reading < readings; reading += 1) {
      // An even number, so that the same version runs.
      await updateUntil(warmUp + 2 * Math.round(((updates - warmUp) * reading) / (readings - 1) / 2));
      memoryMb.push(privateDirtyBytes(daemon.pid) / 1e6);
    }
    const after = await read();
    const growth = mean(memoryMb.slice(readings / 2)) - mean(memoryMb.slice(0, readings / 2));
    return {
      value: after.reduce((sum, value, index) => sum + Math.max(value - before[index]!, 0), 0),
      conditions: [{ what: `memory is flat: the second half of the updates added ${growth.toFixed(2)} MB, at most ${flatMb}`, met: growth <= flatMb }],
      notes: [
        `rows, files and descriptors after ${warmUp} updates: ${before.join(', ')}; after ${count}: ${after.join(', ')}`,
        `private dirty memory on the way: ${memoryMb.map((mb) => mb.toFixed(1)).join(', ')} MB`,
      ],
      series: { memoryMb },
    };
  },
};

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
