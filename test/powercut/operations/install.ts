import type { Operation } from '../operation.ts';

/** One app, then two at once, on a device that has none. */
export const install: Operation = {
  name: 'install',
  title: 'install of one app, then of two in one payload',
  packages: [{ name: 'alpha' }, { name: 'beta', annotations: { data: '/data' } }, { name: 'gamma' }],
  config: '',
  before: [],
  steps: [
    { act: { install: ['alpha_1.0'], start: false }, after: { alpha: ['1.0'] } },
    { act: { install: ['beta_1.0', 'gamma_1.0'], start: false }, after: { alpha: ['1.0'], beta: ['1.0'], gamma: ['1.0'] } },
  ],
};
