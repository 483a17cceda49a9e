import type { DeviceStatus } from '../../devices/index.ts';
import type { Command } from '../command.ts';
import { none } from '../format.ts';
import { span, type Span } from '../style.ts';
import { renderTable, type Column, type Surface } from '../table.ts';

/** The table of `berth devices`. A column that would be empty is left out. */
export function renderDevices(devices: readonly DeviceStatus[], surface: Surface): string {
  if (devices.length === 0) return 'No devices are declared. The operator declares them in devices.d, which berthd reads when it starts (docs/devices.md).\n';
  const list = (texts: readonly string[]): Span => (texts.length === 0 ? none : span(texts.join(', ')));
  const all: (Column & { readonly cell: (device: DeviceStatus) => Span })[] = [
    { title: 'DEVICE', least: 8, cell: ({ name }) => span(name, 'bold') },
    { title: 'PLACE', least: 10, cell: ({ place }) => span(place) },
    { title: 'LENT', cell: ({ platform, sharing }) => (platform ? span('never', 'dim') : span(sharing)) },
    { title: 'PRESENT', cell: ({ nodes }) => (nodes.length === 0 ? span('no', 'yellow') : span(nodes.map(({ name }) => name).join(', '), 'green')) },
    { title: 'HELD BY', least: 8, cell: ({ holders }) => list(holders.map(({ app }) => app)) },
  ];
  if (devices.some(({ waiting }) => waiting.length > 0)) all.push({ title: 'WAITING', least: 8, cell: ({ waiting }) => list(waiting) });
  if (devices.some(({ fault }) => fault !== undefined)) all.push({ title: 'NOTE', least: 12, cell: ({ fault }) => span(fault ?? '', 'yellow') });
  return renderTable(all, devices.map((device) => all.map((column) => column.cell(device))), surface);
}

export const devices: Command = {
  name: 'devices',
  args: [],
  options: [],
  summary: 'list the declared devices and who has them',
  help: [
    'Shows every device that the operator declared: where it is found, whether it is lent to one app at a time (exclusive), to many (shared) or never, whether it is there, which apps have it and which wait for it.',
    'An app has a device from its start to its end; see docs/devices.md.',
  ],
  examples: [
    { line: 'berth devices', meaning: 'all devices' },
    { line: 'berth devices --json | jq -r \'.devices[] | select(.nodes == []).name\'', meaning: 'names of those that are not there' },
  ],
  run: async ({ client, result, colour, width }) => {
    const document = await client.request<{ devices: readonly DeviceStatus[] }>('GET', '/devices');
    await result(document, () => renderDevices(document.devices, { colour, width }));
  },
};
