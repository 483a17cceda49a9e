import { BerthError } from '../lib/errors.ts';
import type { InstanceSpec } from '../runtime/index.ts';
import type { LaunchPlan } from './plan.ts';
import type { Tools } from './tools.ts';

/** All that is needed to start an instance, or why it has to wait for a device that another app has. */
export type Preparation = { readonly spec: InstanceSpec } | { readonly queued: BerthError };

/**
 * Leases the devices of an app and makes what its instance needs on the host. An app that does not start in the end
 * must release what it leased.
 * @throws BerthError saying why it cannot be started; `busy` if it needs a device that another app has, and is not to wait
 */
export async function prepareInstance({ devices }: Pick<Tools, 'devices'>, app: string, plan: LaunchPlan, instanceId: string): Promise<Preparation> {
  const answer = devices.request(app, plan.devices);
  if (answer.kind === 'held') return { spec: await plan.spec(instanceId, await devices.lend(app)) };
  const { kind, device, holder } = answer;
  if (kind === 'queued') return { queued: new BerthError('busy', `waits for the device ${device}, which ${holder} has; it starts as soon as it gets it`) };
  throw new BerthError('busy', `${app} cannot be started: the device ${device} is lent to ${holder}; stop that app first`);
}
