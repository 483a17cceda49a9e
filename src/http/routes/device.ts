import * as v from 'valibot';
import type { BerthEvent } from '../../lifecycle/index.ts';
import { Outbox } from '../outbox.ts';
import { flag, whole } from '../query.ts';
import { route, type Route } from '../route.ts';
import * as schemas from '../schemas.ts';

/** Events that wait for a follower before it is cut off. */
const eventBacklog = 4096;

/** Images, events, and what the daemon knows of itself and its host. */
export const deviceRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/version',
    summary: 'What runs here',
    answer: schemas.version,
    handle: ({ version }) => ({ ...version, api: 'v1' as const }),
  }),
  route({
    method: 'GET',
    path: '/doctor',
    summary: 'Checks of the host, and what to do where one fails',
    answer: schemas.doctor,
    handle: ({ doctor }) => doctor(),
  }),
  route({
    method: 'GET',
    path: '/devices',
    summary: 'Declared devices: which are there, who has them, who waits',
    answer: schemas.devices,
    handle: async ({ devices }) => ({ devices: await devices() }),
  }),
  route({
    method: 'POST',
    path: '/shutdown',
    summary: 'Stop all apps in order because the device shuts down; answers when they have ended',
    description: 'What is desired stays as it is: at the next boot the apps run again. Until then no command is taken.',
    query: v.strictObject({ deadlineMs: whole('everything that is left then is killed; 60,000 unless given') }),
    answer: schemas.apps,
    handle: async ({ lifecycle }, { query }) => {
      await lifecycle.shutdown({ deadlineMs: query.deadlineMs ?? 60_000 });
      return { apps: lifecycle.list() };
    },
  }),
  route({
    method: 'GET',
    path: '/images',
    summary: 'All images on the device',
    answer: schemas.images,
    handle: ({ store }) => {
      const apps = store.apps();
      const images = store.images().map((image) => ({
        ...image,
        apps: apps.filter((app) => app.image === image.digest).map((app) => app.name),
      }));
      return { images };
    },
  }),
  route({
    method: 'GET',
    path: '/events',
    summary: 'What happened, oldest first',
    description: `A bounded number of events is kept. A follower that leaves more than ${eventBacklog} of them unread is cut off.`,
    query: v.strictObject({
      since: whole('only events with a higher `seq`'),
      follow: flag('go on with new events'),
    }),
    line: schemas.event,
    handle: ({ lifecycle }, { query, signal, abandon }) => {
      const kept = lifecycle.eventsSince(query.since ?? 0);
      if (query.follow !== true) return lines(kept);
      const outbox = new Outbox<BerthEvent>(kept.length + eventBacklog, abandon);
      const off = lifecycle.onEvent((event) => {
        outbox.push(event);
      });
      signal.addEventListener('abort', () => {
        off();
        outbox.end();
      });
      for (const event of kept) outbox.push(event);
      return outbox;
    },
  }),
];

async function* lines<T>(values: readonly T[]): AsyncGenerator<T, void, undefined> {
  yield* values;
}
