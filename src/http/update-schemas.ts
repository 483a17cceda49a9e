import * as v from 'valibot';
import { updateOutcomes, updatePhases, updateSources } from '../update/index.ts';
import { app, authority, bytes, count, decision, digest, errorCode, time } from './schemas.ts';

/** The documents about updates; {@link installLine}, {@link planAnswer} and {@link update} are `update/types.ts` as JSON. */
const updateId = v.pipe(count, v.description('id of the update'));
const milliseconds = v.pipe(v.number(), v.integer(), v.description('milliseconds'));
const phase = v.picklist(updatePhases);
const waitingFor = v.pipe(v.string(), v.description('the window, an app that put it off, or another update'));
const leftMs = v.pipe(v.number(), v.integer(), v.description('milliseconds until the trial is rolled back'));
const versioned = v.object({ version: v.string(), digest });

const installReport = v.object({
  app: v.string(),
  version: v.string(),
  digest,
  replaced: v.exactOptional(versioned),
  signed: v.boolean(),
  authority,
  entries: count,
  bytes,
  warnings: v.array(v.string()),
  degraded: v.array(decision),
  status: app,
});

export const progress = v.object({
  update: updateId,
  phase,
  bytes: v.pipe(v.number(), v.integer(), v.description('bytes of the payload read so far')),
  waitingFor: v.exactOptional(waitingFor),
  leftMs: v.exactOptional(leftMs),
});

export const installLine = v.union([
  progress,
  v.object({
    result: v.object({
      update: updateId,
      outcome: v.pipe(v.picklist(['committed', 'under-way']), v.description('`under-way`: not waited for')),
      installed: v.array(installReport),
    }),
  }),
]);

const room = v.object({ bytes, inodes: v.pipe(v.number(), v.integer(), v.description('file-system entries')) });

const plannedApp = v.object({
  app: v.string(),
  from: v.exactOptional(versioned),
  to: versioned,
  authority,
  imageBytes: v.pipe(v.number(), v.integer(), v.description('0 if the image is there already')),
  imageInodes: count,
  stop: v.pipe(v.boolean(), v.description('it runs now and is stopped')),
  start: v.pipe(v.boolean(), v.description('it is started afterwards')),
  snapshot: v.picklist(['none', 'copy', 'skipped']),
  dataBytes: bytes,
  dataInodes: count,
  migrate: v.exactOptional(v.array(v.string())),
  trial: v.exactOptional(v.object({ uptimeMs: milliseconds, health: v.boolean(), confirm: v.boolean() })),
});

export const planAnswer = v.object({
  plan: v.object({
    apps: v.pipe(v.array(plannedApp), v.description('in the order of start')),
    stops: v.pipe(v.array(v.string()), v.description('in the order in which they are stopped')),
    starts: v.pipe(v.array(v.string()), v.description('in the order in which they are started')),
    removes: v.pipe(v.array(v.object({ app: v.string(), ...versioned.entries, bytes })), v.description('images that are deleted once it is committed')),
    needs: room,
    free: room,
    deadlineMs: v.exactOptional(v.pipe(v.number(), v.integer(), v.description('from the switch until it is rolled back if it was not committed'))),
  }),
});

export const update = v.object({
  id: count,
  source: v.picklist(updateSources),
  origin: v.exactOptional(v.string()),
  phase: v.pipe(phase, v.description('the last one, once it is over')),
  outcome: v.exactOptional(v.pipe(v.picklist(updateOutcomes), v.description('absent while it is under way'))),
  reason: v.exactOptional(v.object({ code: errorCode, message: v.string() })),
  startedAt: time,
  endedAt: v.exactOptional(time),
  phases: v.array(v.object({ phase, at: time })),
  bytes: v.pipe(v.number(), v.integer(), v.description('bytes of the payload')),
  apps: v.array(
    v.object({
      app: v.string(),
      from: v.exactOptional(versioned),
      to: versioned,
      trial: v.exactOptional(v.object({ passed: v.boolean(), waitingFor: v.array(v.string()) })),
    }),
  ),
  waitingFor: v.exactOptional(waitingFor),
  leftMs: v.exactOptional(leftMs),
});

export const updates = v.object({ updates: v.array(update) });

export const storage = v.object({
  storage: v.array(
    v.object({
      app: v.string(),
      image: bytes,
      previous: v.pipe(v.number(), v.integer(), v.description('images that are kept for the way back')),
      data: v.pipe(v.number(), v.integer(), v.description('and copies of it that a trial holds')),
      dataLimit: v.exactOptional(v.pipe(v.number(), v.integer(), v.description('the most that its data may take; kept by measuring'))),
      logs: bytes,
    }),
  ),
});
