import * as v from 'valibot';
import { flag, text, whole } from '../query.ts';
import { route, type Route } from '../route.ts';
import * as schemas from '../schemas.ts';

const dayMs = 86_400_000;

/** Looking at apps and commanding them. */
export const appRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/apps',
    summary: 'All apps with their state',
    answer: schemas.apps,
    handle: ({ lifecycle }) => ({ apps: lifecycle.list() }),
  }),
  route({
    method: 'GET',
    path: '/apps/{app}',
    summary: 'One app with its state',
    answer: schemas.app,
    handle: ({ lifecycle }, { params }) => lifecycle.show(params.app),
  }),
  route({
    method: 'DELETE',
    path: '/apps/{app}',
    summary: 'Stop an app and take it away',
    query: v.strictObject({ purge: flag('also delete the data that it kept') }),
    answer: schemas.removed,
    handle: async ({ updates }, { params, query }) => {
      const purge = query.purge ?? false;
      await updates.remove(params.app, { purge });
      return { removed: params.app, purged: purge };
    },
  }),
  route({
    method: 'POST',
    path: '/apps/{app}/start',
    summary: 'Start an app and keep it running; answers when it runs',
    answer: schemas.app,
    handle: ({ lifecycle }, { params }) => lifecycle.start(params.app),
  }),
  route({
    method: 'POST',
    path: '/apps/{app}/stop',
    summary: 'Ask an app to end, kill it at its stop timeout; answers when nothing of it runs',
    query: v.strictObject({ timeoutMs: whole('in place of the app\'s own stop timeout', dayMs) }),
    answer: schemas.app,
    handle: ({ lifecycle }, { params, query }) => lifecycle.stop(params.app, query),
  }),
  route({
    method: 'POST',
    path: '/apps/{app}/kill',
    summary: 'Kill an app at once; it stays stopped',
    answer: schemas.app,
    handle: ({ lifecycle }, { params }) => lifecycle.kill(params.app),
  }),
  route({
    method: 'POST',
    path: '/apps/{app}/suspend',
    summary: 'Freeze a running app where it stands',
    answer: schemas.app,
    handle: ({ lifecycle }, { params }) => lifecycle.suspend(params.app),
  }),
  route({
    method: 'POST',
    path: '/apps/{app}/resume',
    summary: 'Let a suspended app go on',
    answer: schemas.app,
    handle: ({ lifecycle }, { params }) => lifecycle.resume(params.app),
  }),
  route({
    method: 'POST',
    path: '/apps/{app}/restart',
    summary: 'Stop and start an app',
    answer: schemas.app,
    handle: ({ lifecycle }, { params }) => lifecycle.restart(params.app),
  }),
  route({
    method: 'GET',
    path: '/apps/{app}/logs',
    summary: 'What an app has printed, oldest first',
    description: 'Lines of `berth` as their stream are marks of Berth\'s own, such as a gap.',
    query: v.strictObject({
      tail: whole('only the last lines'),
      since: whole('not before this moment, in milliseconds since 1970'),
      follow: flag('go on with new lines'),
    }),
    line: schemas.logLine,
    handle: ({ lifecycle }, { params, query, signal }) => {
      lifecycle.show(params.app);
      return lifecycle.logs(params.app, {
        signal,
        ...(query.tail !== undefined && { tail: query.tail }),
        ...(query.since !== undefined && { sinceMs: query.since }),
        ...(query.follow !== undefined && { follow: query.follow }),
      });
    },
  }),
  route({
    method: 'POST',
    path: '/apps/{app}/exec',
    summary: 'Run a command in an app and connect to it',
    description: [
      'After `101 Switching Protocols` the connection carries frames both ways: one byte names the stream, four bytes',
      '(big-endian) give the length, at most 65536, and the data follows. From the client: 0 standard input, 3 its end (no data).',
      'From the daemon: 1 standard output, 2 standard error, and last 4 with the exit code in four bytes (big-endian;',
      '128 + n for signal n), or 5 with an error as JSON. An empty frame means nothing. A client that closes the',
      'connection, or its sending half, ends the command.',
    ].join('\n'),
    body: schemas.execRequest,
    upgrade: 'berth-exec',
    handle: ({ lifecycle }, { params, body }) => lifecycle.exec(params.app, body),
  }),
  route({
    method: 'GET',
    path: '/stats',
    summary: 'Processor time, memory and processes of running apps',
    query: v.strictObject({ app: text('only this app'), stream: flag('one document a line, every second') }),
    answer: schemas.figures,
    line: schemas.figures,
    handle: ({ lifecycle, clock }, { query, signal }) => {
      const read = () => ({ at: clock.now(), figures: lifecycle.figures(query.app) });
      const first = read();
      if (query.stream !== true) return first;
      return (async function* () {
        yield first;
        for (;;) {
          await clock.sleep(1000, signal);
          yield read();
        }
      })();
    },
  }),
];
