import type { Operation } from '../operation.ts';

const start = false;

/** Images beyond those that are kept, and what an earlier cut may have left, are deleted. */
export const collection: Operation = {
  name: 'collection',
  title: 'collection of images beyond those kept, and of garbage',
  packages: ['1.0', '2.0', '3.0', '4.0'].map((version) => ({ name: 'alpha', version })),
  config: 'updates: { retain: 1 }\n',
  before: [
    { act: { install: ['alpha_1.0'], start }, after: { alpha: ['1.0'] } },
    { act: { install: ['alpha_2.0'], start }, after: { alpha: ['2.0', '1.0'] } },
  ],
  steps: [
    { act: { install: ['alpha_3.0'], start }, after: { alpha: ['3.0', '2.0'] } },
    { act: { install: ['alpha_4.0'], start }, after: { alpha: ['4.0', '3.0'] } },
    { act: { install: ['alpha_3.0'], start, refused: 'downgrade' }, after: { alpha: ['4.0', '3.0'] } },
  ],
  garbage: [
    `images/${'0'.repeat(64)}/bundle/rootfs/`,
    `images/${'0'.repeat(64)}/manifest`,
    `images/${'f'.repeat(64)}/`,
    'data/nobody/1/file',
    'data/alpha/7/file',
    'staging/0011223344556677/bundle/rootfs/half',
  ],
};
