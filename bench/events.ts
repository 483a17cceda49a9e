import { request, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import type { BerthEvent } from '../src/lifecycle/index.ts';

/** The daemon's events, those that it has kept first, until the caller stops reading. */
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

/**
 * Reads on until an app is told to run, and gives its name. What happened before `since` (milliseconds since 1970) is left out.
 * @throws Error if the daemon ends first
 */
export async function nextRunning(events: AsyncIterator<BerthEvent, void>, since = 0): Promise<string> {
  for (;;) {
    const { value: event, done } = await events.next();
    if (done === true) throw new Error('the daemon ended the stream of events');
    if (event.at >= since && event.type === 'app.state' && (event.detail as { to: string }).to === 'running') return event.app!;
  }
}
