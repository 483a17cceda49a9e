/** What a recording starts from: the packages, and a store in which everything before it was done. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openStore } from '../../src/store/index.ts';
import { TestDaemon, until } from '../support/berthd.ts';
import { makePackage } from '../support/packages.ts';
import { Device } from './device.ts';
import { faultsOfData } from './judgement.ts';
import type { Operation } from './operation.ts';

export interface Scene {
  readonly packages: string;
  readonly store: string;
}

/** Where the store lies on the recorded disk. */
export const storeFolder = 'berth';

export async function makeScene(operation: Operation, directory: string): Promise<Scene> {
  const packages = join(directory, 'packages');
  const store = join(directory, 'store');
  mkdirSync(packages, { recursive: true });
  for (const options of operation.packages) await makePackage(packages, options);
  if (operation.before.length > 0) {
    const daemon = new TestDaemon({ root: store, config: operation.config });
    try {
      await daemon.start();
      const device = new Device(daemon.socket);
      for (const { act } of operation.before) await device.act(act, packages);
      await daemon.end();
      // The apps still run.
      await until(() => {
        using opened = open(store);
        return faultsOfData(operation, opened.store).length === 0;
      });
    } finally {
      await daemon.destroy();
    }
  }
  mkdirSync(store, { recursive: true, mode: 0o711 });
  for (const path of operation.garbage ?? []) {
    mkdirSync(join(store, path.endsWith('/') ? path : dirname(path)), { recursive: true });
    if (!path.endsWith('/')) writeFileSync(join(store, path), 'left over\n');
  }
  return { packages, store };
}

function open(root: string): { readonly store: ReturnType<typeof openStore> } & Disposable {
  const store = openStore(root, { journal: () => undefined, now: Date.now() });
  return { store, [Symbol.dispose]: () => { store.close(); } };
}
