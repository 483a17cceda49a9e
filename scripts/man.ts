/** `node scripts/man.ts [DIR]`: the manual pages berth(1) and berthd(8), in `dist/man` unless told otherwise. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { berthPage, commands, optionTerms, renderPage, roff, terms, type ManualPage } from '../src/cli/index.ts';
import { version } from '../src/lib/version.ts';

const berthdPage: ManualPage = {
  name: 'berthd',
  section: 8,
  summary: 'supervise the applications of a device',
  synopsis: ['berthd [--root DIR] [--run DIR] [--config FILE] [--debug]'],
  sections: [
    ['DESCRIPTION', roff('berthd installs, starts, watches and stops the apps of a device, each in a container of its own. Apps outlive it: when it ends, they go on, and the next berthd takes them over. It serves a REST API on a unix socket, which berth(1) uses.')],
    [
      'OPTIONS',
      optionTerms([
        { name: 'root', value: 'DIR', summary: 'database, images and data; default /var/lib/berth' },
        { name: 'run', value: 'DIR', summary: 'sockets and generated bundles; default /run/berth' },
        { name: 'config', value: 'FILE', summary: 'configuration; default /etc/berth/berthd.yaml' },
        { name: 'debug', summary: 'tell more' },
        { name: 'version', summary: 'tell the version and end' },
      ]),
    ],
    [
      'FILES',
      terms([
        ['/etc/berth/berthd.yaml', 'configuration'],
        ['/etc/berth/devices.d/*.yaml', 'devices that apps may be lent, and those of the platform\'s own'],
        ['/etc/berth/factory.d/', 'payloads that are applied at the start'],
        ['/etc/berth/policy.d/*.yaml', 'what apps may be granted'],
        ['/etc/berth/platform.d/*.yaml', 'services of the platform that apps may depend on'],
        ['/run/berth/berth.sock', 'the REST API; /berth/v1/openapi.json describes it'],
        ['/run/berth/apps/APP/bus', 'the update bus of an app, at /run/berth/bus in its container'],
        ['/var/lib/berth', 'database, images and data of apps'],
        ['/usr/share/doc/berth', 'how it is operated, and how apps are packaged and updated'],
      ]),
    ],
    ['SIGNALS', terms([['SIGTERM, SIGINT', 'end; the apps go on']])],
    ['SEE ALSO', '.BR berth (1)'],
  ],
};

/** Writes both pages to a directory, which is made. */
export async function writeManualPages(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true });
  for (const page of [berthPage(commands), berthdPage]) {
    await writeFile(join(directory, `${page.name}.${page.section}`), renderPage(page, version));
  }
}

if (import.meta.main) await writeManualPages(process.argv[2] ?? join(import.meta.dirname, '../dist/man'));
