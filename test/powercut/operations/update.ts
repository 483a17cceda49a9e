import type { PackageOptions } from '../../support/packages.ts';
import type { Holding, Operation } from '../operation.ts';

/** An app that runs until it is killed; it ends at once, so that downtime is not what is waited for. */
export function running(name: string, version: string, more: PackageOptions['annotations'] = {}): PackageOptions {
  return { name, version, script: 'sleep 1000', annotations: { 'stop-signal': 'SIGKILL', ...more } };
}

export const three = ['alpha', 'beta', 'gamma'];

export function all(...versions: readonly string[]): Holding {
  return Object.fromEntries(three.map((name) => [name, versions]));
}

/** Three running apps, replaced by one payload. */
export const update: Operation = {
  name: 'update',
  title: 'update of three running apps, tried and committed',
  packages: three.flatMap((name) => ['1.0', '2.0'].map((version) => running(name, version))),
  config: 'updates: { trial-uptime: 50ms, retain: 1 }\n',
  before: [{ act: { install: three.map((name) => `${name}_1.0`) }, after: all('1.0') }],
  steps: [{ act: { install: three.map((name) => `${name}_2.0`) }, after: all('2.0', '1.0'), during: all('2.0') }],
};
