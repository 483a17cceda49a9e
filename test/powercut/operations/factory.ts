import type { Operation } from '../operation.ts';

/** The first boot of a device with apps in its factory folder. */
export const factory: Operation = {
  name: 'factory',
  title: 'first boot with two apps in the factory folder, of which one depends on the other',
  packages: [{ name: 'alpha', control: { Depends: 'beta' } }, { name: 'beta', annotations: { data: '/data' } }],
  config: '',
  factory: true,
  before: [],
  steps: [{ act: { come: ['alpha', 'beta'] }, after: { alpha: ['1.0'], beta: ['1.0'] } }],
};
