/** How an app fares beside one that takes all it can get: the same work, in turn with and without the other. */
import { ApiClient } from '../test/support/api.ts';
import { makePackage } from '../test/support/packages.ts';
import type { Figure, Measurement } from './figure.ts';
import { alternate, compared, ratios, spread } from './pairs.ts';
import { inMs } from './table.ts';
import type { Workbench } from './workbench.ts';

/** Four fifths of what it does alone are left to it: it takes at most this many times as long. */
export const bystanderLimit = 1 / 0.8;

export interface Attack {
  /** Statements of Python: one piece of the bystander's work, a few milliseconds. */
  readonly work: string;
  /** Shell script of the attacker. It prints a line when it is at it. */
  readonly attack: string;
  /** `linux.resources` of the attacker. */
  readonly resources: Readonly<Record<string, unknown>>;
}

/** Pieces of work of which one value is the median. */
const pieces = 9;
/** The first ones after the attacker came or went do not count. */
const settling = 2;

const program = (work: string): string => `
import time
while True:
    start = time.monotonic()
    for _ in range(4):
        ${work}
    worked = time.monotonic()
    for _ in range(10):
        time.sleep(0.001)
        sum(range(2000))
    print((worked - start) * 1000, (time.monotonic() - worked) * 1000, flush=True)
`;

/** Time of the bystander's work beside the attacker ÷ alone; how long it takes to answer is a condition. */
export async function measureBystander(bench: Workbench, { work, attack, resources }: Attack): Promise<Measurement> {
  const daemon = await bench.startDaemon();
  const api = new ApiClient(daemon.socket);
  const folder = bench.folder();
  await api.install(await makePackage(folder, {
    name: 'bystander', files: { 'work.py': program(work) }, programs: ['/usr/bin/python3'], pythonModules: ['time'],
    oci: { process: { user: { uid: 0, gid: 0 }, args: ['/usr/bin/python3', '-S', '/work.py'], env: ['PATH=/bin'], cwd: '/' } },
  }), { start: true });
  await api.install(await makePackage(folder, {
    name: 'attacker', annotations: { 'stop-timeout': '0s' },
    oci: { process: { user: { uid: 0, gid: 0 }, args: ['/bin/sh', '-c', attack], env: ['PATH=/bin'], cwd: '/' }, linux: { resources } },
  }), { start: false });

  const lines = api.lines('/apps/bystander/logs?follow=true&tail=0');
  const answers: Record<'beside' | 'alone', number[]> = { beside: [], alone: [] };
  const piece = async (): Promise<readonly [work: number, answer: number]> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`the bystander's log ended:\n${daemon.log}`);
    const [worked = 0, answered = 0] = (JSON.parse(value) as { text: string }).text.split(' ').map(Number);
    return [worked, answered];
  };
  const look = async (side: 'beside' | 'alone', round: number): Promise<number> => {
    // What stands in the log from before is of before.
    const begun = Date.now();
    const values: (readonly [number, number])[] = [];
    while (Date.now() - begun < 100) await piece();
    for (let count = 0; count < settling; count += 1) await piece();
    while (values.length < pieces) values.push(await piece());
    if (round >= 0) answers[side].push(spread(values.map(([, answered]) => answered)).median);
    return spread(values.map(([worked]) => worked)).median;
  };
  const series = await alternate(
    {
      beside: async (round) => {
        await api.must('POST', '/apps/attacker/start');
        try {
          return await look('beside', round);
        } finally {
          await api.must('POST', '/apps/attacker/kill');
        }
      },
      alone: async (round) => look('alone', round),
    },
    { rounds: bench.rounds(20) },
  );
  await lines.return();
  const { ratio, ...figure } = compared(series.beside, series.alone);
  const answer = spread(ratios(answers.beside, answers.alone)).median;
  return {
    ...figure,
    conditions: [{ what: `ten short waits and answers take at most ${bystanderLimit} times as long (${answer.toFixed(2)})`, met: answer <= bystanderLimit }],
    notes: [inMs('work beside it', series.beside), inMs('work alone', series.alone), inMs('ten answers beside it', answers.beside), inMs('ten answers alone', answers.alone)],
    series: { ...series, ratio, answersBeside: answers.beside, answersAlone: answers.alone },
  };
}

/** The figure of one attack. */
export function bystanderFigure(name: string, what: string, attack: Attack): Figure {
  return { name, title: `work of an app beside one that ${what} ÷ alone`, limit: bystanderLimit, unit: 'times', measure: (bench) => measureBystander(bench, attack) };
}
