import { BerthError } from '../lib/errors.ts';
import type { AppStatus } from '../lifecycle/index.ts';
import type { ImageRow } from '../store/index.ts';
import { recalledBecause, type Recall } from '../trust/index.ts';
import type { UpdatesOptions } from './tools.ts';
import type { TrialWatch } from './trial-watch.ts';

/** Why an image must not run any more. */
function because({ package: name, version }: Pick<ImageRow, 'package' | 'version'>, recall: Recall): string {
  return recalledBecause({ name, version }, recall);
}

/** @throws BerthError `untrusted` for an image that is recalled */
export function requireNotRecalled(image: Pick<ImageRow, 'package' | 'version'>, recall: Recall | undefined): void {
  if (recall !== undefined) throw new BerthError('untrusted', `${because(image, recall)}; install another version`, { detail: { app: image.package, recall } });
}

/** An app whose version must not run. */
interface RecalledApp {
  readonly app: string;
  readonly why: string;
}

/** Apps whose current version was recalled, whether they run or not. */
function recalledApps({ store, trust }: Pick<UpdatesOptions, 'store' | 'trust'>): readonly RecalledApp[] {
  return store.apps().flatMap(({ name, image }) => {
    const row = store.image(image)!;
    const recall = trust.recallOf(row);
    return recall === undefined ? [] : [{ app: name, why: because(row, recall) }];
  });
}

/** States in which nothing of an app runs or will by itself. */
const restful: ReadonlySet<AppStatus['state']> = new Set(['stopped', 'failed']);

/** Stops an app; what a person last asked of it stays, and its start is refused, so that it tells why it is down. */
async function standDown({ app, why }: RecalledApp, { lifecycle }: Pick<UpdatesOptions, 'lifecycle'>): Promise<void> {
  if (restful.has(lifecycle.show(app).state)) return;
  lifecycle.announce({ type: 'app.recalled', app, message: `${why}; it is stopped` });
  lifecycle.hold([app]);
  try {
    await lifecycle.halt([app]);
  } finally {
    await lifecycle.release([app]);
  }
}

/** Ends what runs although it is recalled: a trial by its watch, what else runs by a stop. */
export async function enforceRecalls(options: UpdatesOptions, watchOf: (app: string) => Pick<TrialWatch, 'fail'> | undefined): Promise<void> {
  for (const recalled of recalledApps(options)) {
    const watch = watchOf(recalled.app);
    if (watch === undefined) await standDown(recalled, options);
    else watch.fail(recalled.why);
  }
}

/** What a rollback has brought back. A recall beats it: what was recalled does not run. */
export function describeWayBack(apps: readonly { readonly app: string }[], options: UpdatesOptions): string {
  const down = recalledApps(options).filter((recalled) => apps.some(({ app }) => app === recalled.app));
  return `The versions before are back${down.length === 0 ? '' : `, and do not run: ${down.map(({ why }) => why).join('; ')}`}`;
}
