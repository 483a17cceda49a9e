import { formatSize } from '../../lib/units.ts';
import type { AppStorage } from '../../update/index.ts';
import type { Command } from '../command.ts';
import { span } from '../style.ts';
import { renderTable, type Surface } from '../table.ts';

const figures = ['image', 'previous', 'data', 'logs'] as const;

/** The table of `berth storage`, the sums of several apps below them. */
export function renderStorage(storage: readonly AppStorage[], surface: Surface): string {
  if (storage.length === 0) return 'Nothing is stored of any app.\n';
  // A column only where there is a limit.
  const limited = storage.some(({ dataLimit }) => dataLimit !== undefined);
  const columns = [{ title: 'APP', least: 8 }, ...[...figures, 'total', ...(limited ? ['data limit'] : [])].map((name) => ({ title: name.toUpperCase(), right: true as const }))];
  const row = (name: string, entries: readonly AppStorage[]) => {
    const sums = figures.map((figure) => entries.reduce((sum, entry) => sum + entry[figure], 0));
    const limits = entries.length === 1 ? entries[0]!.dataLimit : undefined;
    return [span(name, 'bold'), ...[...sums, sums.reduce((sum, value) => sum + value, 0)].map((value) => span(formatSize(value))), ...(limited ? [span(limits === undefined ? '' : `${formatSize(limits)}, measured`)] : [])];
  };
  const rows = storage.map((entry) => row(entry.app, [entry]));
  return renderTable(columns, storage.length > 1 ? [...rows, row('together', storage)] : rows, surface);
}

export const storage: Command = {
  name: 'storage',
  args: [],
  options: [],
  summary: 'show what each app takes of the disk',
  help: ['Shows for each app its image, the images kept for a way back (PREVIOUS), its data with the copies that a trial holds, its logs, and what its data may take. A limit that is measured is kept by ending an app which goes beyond it.'],
  examples: [{ line: 'berth storage', meaning: 'all apps' }],
  run: async ({ client, result, colour, width }) => {
    const document = await client.request<{ storage: readonly AppStorage[] }>('GET', '/storage');
    await result(document, () => renderStorage(document.storage, { colour, width }));
  },
};
