import type { Operation } from '../operation.ts';
import { all, running, three } from './update.ts';

/** The new version of one of three apps ends at once: all three go back. */
export const rollback: Operation = {
  name: 'rollback',
  title: 'update of three running apps of which one fails its trial',
  packages: [
    ...three.map((name) => running(name, '1.0')),
    running('alpha', '2.0'),
    // Without its own word it never passes, however late its end is noticed.
    { ...running('beta', '2.0', { 'trial.confirm': 'app' }), script: 'exit 1' },
    running('gamma', '2.0'),
  ],
  config: 'updates: { trial-uptime: 50ms }\n',
  before: [{ act: { install: three.map((name) => `${name}_1.0`) }, after: all('1.0') }],
  steps: [{ act: { install: three.map((name) => `${name}_2.0`), refused: 'rolled_back' }, after: all('1.0'), during: all('2.0') }],
};
