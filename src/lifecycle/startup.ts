import { asBerthError, BerthError } from '../lib/errors.ts';
import { type Profile, profileOf } from './plan.ts';
import type { LentInstance } from './records.ts';
import type { Tools } from './tools.ts';

/** What came of a start, and the profile of the plan if there is one. */
export type Startup = { readonly profile?: Profile } & Outcome;

type Outcome =
  | { readonly kind: 'runs'; readonly record: LentInstance }
  /** It needs a device that another app has, and stands in the queue for it. */
  | { readonly kind: 'queued'; readonly error: BerthError }
  /** Nothing of it is left. `mayTryAgain`: another try may come out otherwise. */
  | { readonly kind: 'failed'; readonly error: BerthError; readonly mayTryAgain: boolean };

/** Starts an instance of an app, with the plan of the moment and the devices that it needs. */
export async function startUp({ store, runtime, prepare, devices, primeData }: Tools, app: string, instanceId: string): Promise<Startup> {
  let mayTryAgain = false;
  let known: { readonly profile?: Profile } = {};
  try {
    const plan = prepare(store.app(app)!);
    known = { profile: profileOf(plan) };
    const answer = devices.request(app, plan.devices);
    if (answer.kind === 'queued') return { ...known, kind: 'queued', error: new BerthError('busy', `waits for the device ${answer.device}, which ${answer.holder} has`) };
    if (answer.kind === 'refused') throw new BerthError('busy', `${app} cannot be started: the device ${answer.device} is lent to ${answer.holder}; stop that app first`);
    const spec = await plan.spec(instanceId, await devices.lend(app));
    mayTryAgain = true;
    await primeData(app, plan.dataBytes);
    const record = await runtime.start(spec);
    return { ...known, kind: 'runs', record: plan.devices.length === 0 ? record : { ...record, devices: plan.devices } };
  } catch (error) {
    await devices.release(app);
    return { ...known, kind: 'failed', error: asBerthError(error), mayTryAgain };
  }
}
