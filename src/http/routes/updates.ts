import type { Readable } from 'node:stream';
import * as v from 'valibot';
import { BerthError } from '../../lib/errors.ts';
import type { BerthEvent } from '../../lifecycle/index.ts';
import type { InstallOptions, UpdatePhase, UpdateProgress, Updates } from '../../update/index.ts';
import type { Api } from '../api.ts';
import { Outbox } from '../outbox.ts';
import { flag, text, whole } from '../query.ts';
import { route, type Document, type Route } from '../route.ts';
import * as schemas from '../update-schemas.ts';

type InstallLine = Document<typeof schemas.installLine>;

/** Changing which versions are on the device, and looking at how they were changed. */
export const updateRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/install',
    summary: 'Apply a payload: a package, an archive of packages, or an image of Mbed Linux OS',
    description: [
      'The body is the payload itself. One that is refused before anything was done with it is answered with the error\'s',
      'status; after that the answer is 200 and lines of progress, and the last line has `result` or `error`. A client that',
      'goes away before the switch cancels the update; later the update goes on without it. With `dryRun` nothing is changed,',
      'and the answer is one document with the plan.',
    ].join('\n'),
    query: v.strictObject({
      start: flag('start apps that are new on the device; true unless given'),
      wait: flag('answer when the update is over; with false, as soon as it is checked and on disk; true unless given'),
      dryRun: flag('only tell what would be done'),
      allowDowngrade: flag('also take versions older than one that has proved itself'),
      allowMix: flag('take packages of several authorities in one payload'),
      snapshot: flag('copy the data first, so that the old version finds it unchanged; true unless given'),
      now: flag('wait neither for a window nor for apps that put the update off'),
      bytes: whole('size of the payload, if it is known'),
      origin: text('what people know the payload by: a file name', 255),
    }),
    payload: 'application/vnd.berth.package',
    answer: schemas.planAnswer,
    line: schemas.installLine,
    handle: async (api, { query, payload, signal }) => {
      const { dryRun, bytes, start = true, ...chosen } = query;
      const options = { source: 'command-line', start, ...chosen } as const;
      if (dryRun === true) return { plan: await api.updates.plan(payload, options) };
      return install(api, payload, { ...options, signal, ...(bytes !== undefined && { payloadBytes: bytes }) });
    },
  }),
  route({
    method: 'GET',
    path: '/updates',
    summary: 'Updates under way and the last ones that are over, newest first',
    answer: schemas.updates,
    handle: ({ updates }) => ({ updates: updates.list() }),
  }),
  route({
    method: 'GET',
    path: '/updates/{id}',
    summary: 'One update',
    answer: schemas.update,
    handle: ({ updates }, { params }) => {
      if (!/^\d{1,15}$/.test(params.id)) throw new BerthError('not_found', `there is no update "${params.id}"; updates have numbers`);
      return updates.show(Number(params.id));
    },
  }),
  route({
    method: 'POST',
    path: '/apps/{app}/confirm',
    summary: 'Say of an app in a trial that it runs well, in place of all that is still waited for',
    answer: schemas.update,
    handle: ({ updates }, { params }) => updates.confirm(params.app, 'operator'),
  }),
  route({
    method: 'POST',
    path: '/apps/{app}/rollback',
    summary: 'Bring the version before back: of the whole payload during a trial, else of this app; answers when it runs',
    answer: schemas.update,
    handle: ({ updates }, { params }) => updates.rollback(params.app),
  }),
  route({
    method: 'GET',
    path: '/storage',
    summary: 'What each app takes of the disk',
    answer: schemas.storage,
    handle: async ({ updates }) => ({ storage: await updates.storage() }),
  }),
];

/** Lines of progress and the result; rejects if it fails before there is a line. */
async function install({ updates, lifecycle }: Api, payload: Readable, options: InstallOptions): Promise<Outbox<InstallLine>> {
  const outbox = new Outbox<InstallLine>(16);
  let last: UpdateProgress | undefined;
  const tell = (progress: UpdateProgress): void => {
    last = progress;
    // Nothing has come yet: if it is refused now, the answer has the error's status.
    if (progress.phase === 'receiving' && progress.bytes === 0) return;
    outbox.push(progressLine(updates, progress));
  };
  // What is waited for may change while the phase stays the same.
  const off = lifecycle.onEvent((event) => {
    if (last !== undefined && event.type === 'update.waiting' && updateOf(event) === last.update) tell(last);
  });
  void (async () => {
    try {
      outbox.push({ result: await updates.install(payload, { ...options, onProgress: tell }) });
      outbox.end();
    } catch (error) {
      outbox.fail(error);
    } finally {
      off();
    }
  })();
  await outbox.ready();
  return outbox;
}

const lingering: ReadonlySet<UpdatePhase> = new Set(['queued', 'waiting', 'trial']);

/** Progress, and in phases that take their time what they wait for. */
function progressLine(updates: Updates, progress: UpdateProgress): InstallLine {
  if (!lingering.has(progress.phase)) return progress;
  const { waitingFor, leftMs } = updates.show(progress.update);
  return { ...progress, ...(waitingFor !== undefined && { waitingFor }), ...(leftMs !== undefined && { leftMs }) };
}

function updateOf({ detail }: BerthEvent): unknown {
  return typeof detail === 'object' && detail !== null && 'update' in detail ? detail.update : undefined;
}
