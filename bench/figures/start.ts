import type { DatabaseSync } from 'node:sqlite';
import { openDatabase } from '../../src/store/database.ts';
import { ApiClient } from '../../test/support/api.ts';
import type { Figure } from '../figure.ts';
import { makeBenchPackage } from '../packages.ts';
import { alternate, compared, timed } from '../pairs.ts';
import { runningConfig } from '../running-config.ts';
import { inMs } from '../table.ts';

const app = 'one';

export const start: Figure = {
  name: 'start',
  title: 'start → running through Berth ÷ the same bundle through bare conmon + runc',
  limit: 1.25,
  unit: 'times',
  async measure(bench) {
    const daemon = await bench.startDaemon();
    const api = new ApiClient(daemon.socket);
    await api.install(await makeBenchPackage(bench.folder(), app), { start: false });
    const bare = await bench.bareContainers();
    bare.bundle(app, await runningConfig(daemon, app));
    using commits = new Commits(bench.folder());
    const steps = { create: [] as number[], start: [] as number[] };

    const series = await alternate(
      {
        berth: async () => {
          const ms = await timed(() => api.must('POST', `/apps/${app}/start`));
          await api.must('POST', `/apps/${app}/kill`);
          return ms;
        },
        bare: async (round) => {
          const { createMs, startMs } = await bare.start(app);
          await bare.end(app);
          if (round >= 0) steps.create.push(createMs);
          if (round >= 0) steps.start.push(startMs);
          return createMs + startMs;
        },
        request: () => timed(() => api.app(app)),
        commits: () => timed(() => commits.write()),
      },
      { rounds: bench.rounds(40), warmUps: 2 },
    );
    const { ratio, ...figure } = compared(series.berth, series.bare);
    const difference = series.berth.map((ms, index) => ms - series.bare[index]!);
    return {
      ...figure,
      notes: [
        inMs('through Berth, from the request to its answer', series.berth),
        inMs('bare', series.bare),
        inMs('of it, until conmon says that the container is created', steps.create),
        inMs('of it, `runc start`', steps.start),
        inMs('difference', difference),
        inMs('a request that only asks', series.request),
        inMs('two transactions on the same disk, as a start makes them', series.commits),
      ],
      series: { ...series, ratio, difference },
    };
  },
};

/** What a start writes to the database, on the same disk: what is desired, then what runs, each durable before the next step. */
class Commits implements Disposable {
  readonly #database: DatabaseSync;

  constructor(root: string) {
    this.#database = openDatabase(root, { now: 0, waitMs: 0 }).database;
    this.#database.exec('CREATE TABLE bench (value TEXT); INSERT INTO bench VALUES (NULL)');
  }

  async write(): Promise<void> {
    for (const value of ['running', 'instance']) this.#database.prepare('UPDATE bench SET value = ?').run(`${value} ${performance.now()}`);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
