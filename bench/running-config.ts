import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleFiles, placesIn } from '../src/runtime/places.ts';
import { ApiClient } from '../test/support/api.ts';
import type { TestDaemon } from '../test/support/berthd.ts';
import type { BareConfig } from './bare.ts';

/** The config that Berth runs an installed app with: what a bare container is given for a fair comparison. */
export async function runningConfig(daemon: TestDaemon, app: string): Promise<BareConfig> {
  const api = new ApiClient(daemon.socket);
  await api.must('POST', `/apps/${app}/start`);
  const { instance } = await api.app(app);
  const { config } = bundleFiles(placesIn(daemon.runDir), instance!.id);
  const text = readFileSync(config, 'utf8');
  await api.must('POST', `/apps/${app}/kill`);
  // The directory of its update bus is gone when the daemon is; another one is mounted just as fast.
  return JSON.parse(text.replaceAll(join(daemon.runDir, 'apps', app), daemon.root)) as BareConfig;
}
