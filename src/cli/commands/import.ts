import type { ImportOptions } from '../../image/index.ts';
import type { Command, Option } from '../command.ts';
import { outputOptions, readOutput, writePackage } from './build.ts';

/** Options with a value, and which of {@link ImportOptions} each one is. */
const described: readonly (Option & { readonly field: Exclude<keyof ImportOptions, 'volumesAsData'> })[] = [
  { name: 'name', value: 'NAME', field: 'name', summary: 'of the package; default from the name of the image' },
  { name: 'version', value: 'VERSION', field: 'version', summary: 'of the package; default from the image\'s label or tag' },
  { name: 'reference', value: 'NAME:TAG', field: 'reference', summary: 'which image, of a source with several' },
  { name: 'architecture', value: 'ARCH', field: 'architecture', summary: 'which platform, as Debian names it, of an image for several' },
  { name: 'user', value: 'UID[:GID]', field: 'user', summary: 'who the app runs as, in place of the image\'s own user' },
  { name: 'description', value: 'TEXT', field: 'description', summary: 'of the package' },
  { name: 'maintainer', value: 'TEXT', field: 'maintainer', summary: 'of the package' },
];

export const importImage: Command = {
  name: 'import',
  args: [{ name: 'IMAGE', kind: 'file' }],
  options: [
    ...outputOptions,
    ...described,
    { name: 'volumes-as-data', summary: 'keep the image\'s volumes across versions as data directories' },
  ],
  summary: 'make a package of an OCI image',
  help: ['IMAGE is an OCI layout (a folder, or an archive of one) or an archive that `docker save` wrote. Its layers become the root file system, its configuration the launch of the app.'],
  examples: [{ line: 'berth import redis.tar --name redis -o redis.ipk', meaning: 'what `docker save redis` wrote' }],
  run: async (context, given) => {
    const { output, options } = readOutput(importImage, given);
    const chosen = described.flatMap(({ name, field }) => (given.values.has(name) ? [[field, given.values.get(name)]] : []));
    const { importImage: make } = await import('../../image/index.ts');
    const all: ImportOptions = { ...options, ...Object.fromEntries(chosen), volumesAsData: given.flags.has('volumes-as-data'), signal: context.io.signal };
    await writePackage(context, output, (onProgress) => make(given.args[0]!, output, { ...all, onProgress }));
  },
};
