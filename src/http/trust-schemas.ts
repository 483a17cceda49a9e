import * as v from 'valibot';
import { count, time } from './schemas.ts';

/** The documents about authorities; they are `update/authorities.ts` as JSON. */
const authority = v.object({
  name: v.string(),
  patterns: v.pipe(v.array(v.string()), v.description('of names of apps that it may sign')),
  until: v.exactOptional(v.pipe(time, v.description('after this moment it signs nothing more; milliseconds since 1970'))),
  expiresAt: v.exactOptional(v.pipe(time, v.description('when the first of its certificates expires; milliseconds since 1970'))),
  successors: v.array(v.string()),
  apps: v.pipe(v.array(v.string()), v.description('that belong to it, also ones that were removed')),
  recallList: v.exactOptional(v.pipe(count, v.description('number of the recall list that is held of it'))),
  fault: v.exactOptional(v.pipe(v.string(), v.description('why its file cannot be used'))),
});

export const authorities = v.object({ authorities: v.array(authority) });

export const handedOver = v.object({ app: v.string(), authority: v.exactOptional(v.pipe(v.string(), v.description('absent: it belongs to nobody'))) });

export const trustedTime = v.object({
  now: v.pipe(time, v.description('by which signatures are judged; milliseconds since 1970')),
  isKnown: v.pipe(v.boolean(), v.description('false: the clock is wrong, and it is later')),
});

export const recallsTaken = v.object({
  authority: v.string(),
  sequence: count,
  recalls: v.pipe(count, v.description('versions that the list recalls')),
  foreign: v.pipe(v.array(v.string()), v.description('apps in it that are not the authority\'s: what it says of them does not count')),
  isNew: v.boolean(),
});
