import type { Readable } from 'node:stream';
import * as v from 'valibot';
import { BerthError } from '../../lib/errors.ts';
import { text } from '../query.ts';
import { route, type Route } from '../route.ts';
import * as schemas from '../trust-schemas.ts';

/** Most that a list of recalls may hold. */
const maxListBytes = 1024 * 1024;

/** Who may sign packages, to whom apps belong, and what was recalled. */
export const authorityRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/authorities',
    summary: 'Who may sign packages, and which apps belong to whom',
    answer: schemas.authorities,
    handle: async ({ authorities }) => ({ authorities: await authorities.list() }),
  }),
  route({
    method: 'POST',
    path: '/apps/{app}/hand-over',
    summary: 'Hand an app over to another authority, or to nobody; the app need not be there',
    query: v.strictObject({ authority: text('its name; without, the app belongs to nobody, and takes whatever may come in', 64) }),
    answer: schemas.handedOver,
    handle: async ({ authorities }, { params: { app }, query: { authority } }) => {
      await authorities.handOver(app, authority);
      return { app, ...(authority !== undefined && { authority }) };
    },
  }),
  route({
    method: 'POST',
    path: '/recalls',
    summary: 'Take a signed list of recalls; answers when what it recalls has stopped',
    payload: 'application/pkcs7-mime',
    answer: schemas.recallsTaken,
    handle: async ({ authorities }, { payload }) => authorities.takeRecalls(await collect(payload)),
  }),
  route({
    method: 'POST',
    path: '/trusted-time/forget',
    summary: 'Forget the latest moment that is known to be over, and judge signatures by the clock again',
    answer: schemas.trustedTime,
    handle: ({ authorities }) => authorities.forgetTime(),
  }),
];

async function collect(payload: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of payload as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxListBytes) throw new BerthError('too_large', `the list of recalls is larger than ${maxListBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
