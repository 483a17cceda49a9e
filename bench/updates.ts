import type { ApiClient } from '../test/support/api.ts';

/** A trial that is over as soon as the new versions run: what is measured is Berth's work, not the time of the trial. */
export const briefTrial = 'updates:\n  trial-uptime: 0ms\n';

/** Applies a payload and waits for its commit, also if it is older than what is there. */
export async function update(api: ApiClient, payload: string): Promise<void> {
  const { body } = await api.must('POST', '/install?allowDowngrade=true', payload);
  const last = body.trim().split('\n').at(-1)!;
  if (!last.includes('"outcome":"committed"')) throw new Error(`the update ended with ${last}`);
}
