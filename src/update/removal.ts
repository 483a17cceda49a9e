import { asBerthError, BerthError } from '../lib/errors.ts';
import { describeApp } from './candidate.ts';
import { requireNobodyNeeds, type InstalledApp } from './dependents.ts';
import { storedCandidate, surveyDevice } from './surveyor.ts';
import type { UpdatesOptions } from './tools.ts';

/**
 * Stops an app and takes it away.
 * @param collect deletes what is named no more
 * @throws BerthError as `Updates.remove`
 */
export async function removeApp(app: string, purge: boolean, options: UpdatesOptions, collect: () => Promise<void>): Promise<void> {
  const { store, lifecycle } = options;
  const members = store.book.underWay().flatMap(({ id }) => store.book.members(id));
  if (members.some((member) => member.app === app)) throw new BerthError('conflict', `${app} is being updated; \`berth updates\` shows how far it is`);
  if (purge && store.app(app) === undefined && store.dropKeptData(app)) {
    await collect();
    lifecycle.announce({ type: 'app.removed', app, message: `the data that ${app} had left was deleted` });
    return;
  }
  const { version } = lifecycle.show(app);
  const device = await surveyDevice(options, []);
  // A switch must find what the new versions need, and a rollback what the old ones do.
  const withMembers = (which: 'image' | 'oldImage'): readonly InstalledApp[] => [
    ...device.apps.filter(({ name }) => !members.some((member) => member.app === name)),
    ...members.flatMap((member) => {
      const digest = member[which];
      if (digest === null) return [];
      const { image, settings } = storedCandidate(options, digest);
      return [describeApp(image, settings)];
    }),
  ];
  for (const apps of [device.apps, withMembers('image'), withMembers('oldImage')]) requireNobodyNeeds(app, device.platform, apps);
  await lifecycle.stop(app).catch((error: unknown) => {
    // It has stopped, but a full disk did not take that: its removal is what makes room.
    if (lifecycle.show(app).state !== 'stopped') throw error;
  });
  store.commitRemove(app, { purge });
  lifecycle.withdraw(app);
  try {
    await clear(app, options);
  } catch (error) {
    // It is gone all the same.
    lifecycle.announce({ type: 'app.warning', message: `${app} is removed, but what it left cannot be deleted yet: ${asBerthError(error).message}` });
  }
  await collect();
  lifecycle.announce({ type: 'app.removed', app, message: `${app} ${version} was removed${purge ? ' with its data' : ''}` });
}

/** Takes away what an app that is gone has left outside the store; what cannot be is tried again at the next start. */
export async function clear(app: string, { store, forget }: Pick<UpdatesOptions, 'store' | 'forget'>): Promise<void> {
  await forget(app);
  store.commitCleared(app);
}
