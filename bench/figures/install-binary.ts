import type { Figure } from '../figure.ts';
import { measureInstall } from '../install.ts';

const path = 'usr/bin/program';

export const installBinary: Figure = {
  name: 'install-binary',
  title: 'install of a 60 MB binary ÷ `dpkg-deb -x`, `sync -f` and `sha256sum` of the same',
  limit: 1.3,
  unit: 'times',
  measure: (bench) => measureInstall(bench, { filling: [{ path, bytes: 60e6 }], rounds: bench.rounds(15), alsoBare: [['sha256sum', `rootfs/${path}`]] }),
};
