import type { ImageRow } from '../../store/index.ts';
import { formatSize } from '../../lib/units.ts';
import type { Command } from '../command.ts';
import { formatTime, none, shortDigest } from '../format.ts';
import { span } from '../style.ts';
import { renderTable, type Surface } from '../table.ts';

type Image = ImageRow & { readonly apps: readonly string[] };

export function renderImages(images: readonly Image[], surface: Surface): string {
  if (images.length === 0) return 'There are no images on the device.\n';
  const columns = [
    { title: 'PACKAGE', least: 8 },
    { title: 'VERSION', least: 7 },
    { title: 'DIGEST' },
    { title: 'SIZE', right: true },
    { title: 'FILES', right: true },
    { title: 'SIGNED' },
    { title: 'ADDED' },
    { title: 'USED BY', least: 8 },
  ] as const;
  const rows = images.map((image) => [
    span(image.package, 'bold'),
    span(image.version),
    span(shortDigest(image.digest)),
    span(formatSize(image.bytes)),
    span(String(image.entries)),
    image.authority === undefined ? span('no', 'yellow') : span(`by ${image.authority}`),
    span(formatTime(image.addedAt)),
    image.apps.length === 0 ? none : span(image.apps.join(', ')),
  ]);
  return renderTable(columns, rows, surface);
}

export const images: Command = {
  name: 'images',
  args: [],
  options: [],
  summary: 'list the images on the device',
  help: ['Shows every image: the package it came from, the first digits of its digest, and the apps that use it.'],
  examples: [{ line: 'berth images', meaning: 'all images' }],
  run: async ({ client, result, colour, width }) => {
    const document = await client.request<{ images: readonly Image[] }>('GET', '/images');
    await result(document, () => renderImages(document.images, { colour, width }));
  },
};
