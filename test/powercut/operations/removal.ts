import type { Operation } from '../operation.ts';

const data = { data: '/data' };
const start = false;

/** With and without the data, which a later install finds again. */
export const removal: Operation = {
  name: 'removal',
  title: 'removal with and without data, and an install that finds the data again',
  packages: [{ name: 'alpha' }, { name: 'beta', annotations: data }, { name: 'gamma', annotations: data }],
  config: '',
  before: [{ act: { install: ['alpha_1.0', 'beta_1.0', 'gamma_1.0'], start }, after: { alpha: ['1.0'], beta: ['1.0'], gamma: ['1.0'] } }],
  steps: [
    { act: { remove: 'beta', purge: false }, after: { alpha: ['1.0'], beta: [], gamma: ['1.0'] } },
    { act: { remove: 'gamma', purge: true }, after: { alpha: ['1.0'], beta: [] } },
    { act: { install: ['beta_1.0'], start }, after: { alpha: ['1.0'], beta: ['1.0'] } },
    { act: { remove: 'beta', purge: false }, after: { alpha: ['1.0'], beta: [] } },
    { act: { remove: 'beta', purge: true }, after: { alpha: ['1.0'] } },
    { act: { remove: 'alpha', purge: false }, after: {} },
  ],
};
