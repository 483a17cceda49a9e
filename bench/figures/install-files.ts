import type { Figure } from '../figure.ts';
import { measureInstall } from '../install.ts';
import { manyFiles } from '../packages.ts';

export const installFiles: Figure = {
  name: 'install-files',
  title: 'install of 20 MB in 2,000 files ÷ `dpkg-deb -x` and `sync -f` of the same package',
  limit: 1.5,
  unit: 'times',
  measure: (bench) => measureInstall(bench, { filling: manyFiles(2000, 20e6), rounds: bench.rounds(20), alsoBare: [] }),
};
