import type { PackageOptions } from '../../support/packages.ts';
import type { Data, Operation } from '../operation.ts';

const path = '/data';
const lines = 2000;
const large = Array.from({ length: lines }, (_, index) => `${index + 1}\n`).join('');

/** What the first version made long before the cut. */
const seeds = { 'seed-small': 'one\n', 'folder/seed': 'two\n', 'seed-large': large };
const makeSeeds = `seq 1 ${lines} > seed-large; echo one > seed-small; mkdir folder; echo two > folder/seed; echo done > seeded`;

const migrations: Readonly<Record<string, string>> = {
  '3.0': 'cat /data/seed-small > /data/migrated && echo 3.0 >> /data/migrated',
  // Does harm that only a way back to the data before it undoes.
  '4.0': 'rm /data/seed-large && echo 4.0 > /data/migrated && echo lost > /data/folder/seed',
};

function version(number: string, ending: string): PackageOptions {
  const migrate = migrations[number];
  return {
    name: 'alpha',
    version: number,
    script: `cd ${path}; [ -e seeded ] || { ${makeSeeds}; }; echo ${number} > ran-${number}; ${ending}`,
    annotations: {
      'data': path,
      'stop-signal': 'SIGKILL',
      ...(migrate !== undefined && { 'migrate.command': JSON.stringify(['/bin/sh', '-c', migrate]) }),
      ...(ending.startsWith('exit') && { 'trial.confirm': 'app' }),
    },
  };
}

const dataOf: Readonly<Record<string, Data>> = {
  '1.0': { has: seeds, lacks: ['migrated', 'ran-2.0', 'ran-3.0', 'ran-4.0'] },
  '2.0': { has: seeds, lacks: ['migrated', 'ran-3.0', 'ran-4.0'] },
  '3.0': { has: { ...seeds, migrated: 'one\n3.0\n' }, lacks: ['ran-4.0'] },
};

/** A version that takes the data as it is, one that makes it its own, and one that spoils it and fails. */
export const data: Operation = {
  name: 'data',
  title: 'snapshot of data, without and with a migration, then a failing update and the data restored',
  packages: [version('1.0', 'sleep 1000'), version('2.0', 'sleep 1000'), version('3.0', 'sleep 1000'), version('4.0', 'exit 1')],
  config: 'updates: { trial-uptime: 50ms, retain: 0 }\n',
  before: [{ act: { install: ['alpha_1.0'] }, after: { alpha: ['1.0'] } }],
  steps: [
    { act: { install: ['alpha_2.0'] }, after: { alpha: ['2.0'] } },
    { act: { install: ['alpha_3.0'] }, after: { alpha: ['3.0'] } },
    { act: { install: ['alpha_4.0'], refused: 'rolled_back' }, after: { alpha: ['3.0'] }, during: { alpha: ['4.0'] } },
  ],
  data: (running) => dataOf[running]!,
};
