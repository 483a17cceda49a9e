import { request, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import type { BerthEvent } from '../src/lifecycle/index.ts';

/** The daemon's events from now on, until the caller stops reading. */
export async function* followEvents(socketPath: string): AsyncGenerator<BerthEvent, void, undefined> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ socketPath, path: '/berth/v1/events?follow=true' }, resolve).on('error', reject).end();
  });
  try {
    for await (const line of createInterface({ input: response })) {
      if (line !== '') yield JSON.parse(line) as BerthEvent;
    }
  } finally {
    response.destroy();
  }
}
