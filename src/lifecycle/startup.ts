import { asBerthError, BerthError } from '../lib/errors.ts';
import type { LaunchPlan } from './plan.ts';
import type { LentInstance } from './records.ts';
import type { Tools } from './tools.ts';

/** What came of a start. */
export type Startup =
  | { readonly kind: 'runs'; readonly record: LentInstance }
  /** It needs a device that another app has, and stands in the queue for it. */
  | { readonly kind: 'queued'; readonly error: BerthError }
  /** Nothing of it is left. `mayTryAgain`: another try may come out otherwise. */
  | { readonly kind: 'failed'; readonly error: BerthError; readonly mayTryAgain: boolean };

/**
 * Starts an instance of an app, with the plan of the moment and the devices that it needs.
 * @param planned told the plan as soon as there is one
 */
export async function startUp(tools: Tools, app: string, instanceId: string, planned: (plan: LaunchPlan) => void): Promise<Startup> {
  const { store, runtime, prepare, devices } = tools;
  let mayTryAgain = false;
  try {
    const plan = prepare(store.app(app)!);
    planned(plan);
    const answer = devices.request(app, plan.devices);
    if (answer.kind === 'queued') return { kind: 'queued', error: new BerthError('busy', `waits for the device ${answer.device}, which ${answer.holder} has`) };
    if (answer.kind === 'refused') throw new BerthError('busy', `${app} cannot be started: the device ${answer.device} is lent to ${answer.holder}; stop that app first`);
    const spec = await plan.spec(instanceId, await devices.lend(app));
    mayTryAgain = true;
    const record = await runtime.start(spec);
    return { kind: 'runs', record: plan.devices.length === 0 ? record : { ...record, devices: plan.devices } };
  } catch (error) {
    await devices.release(app);
    return { kind: 'failed', error: asBerthError(error), mayTryAgain };
  }
}
