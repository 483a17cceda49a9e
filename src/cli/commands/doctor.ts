import type { DoctorReport } from '../../update/index.ts';
import type { Command } from '../command.ts';
import { render, span } from '../style.ts';

const marks = { ok: span('✓', 'green'), warning: span('!', 'yellow'), failure: span('✗', 'red') } as const;

/** One check a line, and below it what to do. */
export function renderDoctor({ checks }: DoctorReport, colour: boolean): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  return checks
    .map(({ name, outcome, found, advice }) => {
      const line = `${render(marks[outcome], colour)} ${render(span(name.padEnd(width), 'bold'), colour)}  ${render(span(found), colour)}\n`;
      return advice === undefined ? line : `${line}${' '.repeat(width + 4)}${render(span(`→ ${advice}`), colour)}\n`;
    })
    .join('');
}

export const doctor: Command = {
  name: 'doctor',
  args: [],
  options: [],
  summary: 'check the host, and say what to do',
  help: ['Checks what Berth needs of its host: kernel, cgroups, OCI runtime, conmon, disk, clock. Ends with 1 if a check failed; warnings alone are no failure.'],
  examples: [{ line: 'berth doctor', meaning: 'all checks' }],
  run: async ({ client, result, colour }) => {
    const report = await client.request<DoctorReport>('GET', '/doctor');
    await result(report, () => renderDoctor(report, colour));
    return report.checks.some((check) => check.outcome === 'failure') ? 1 : 0;
  },
};
