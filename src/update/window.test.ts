import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BerthError } from '../lib/errors.ts';
import { parseWindow, untilOpen } from './window.ts';

const minute = 60_000;
const hour = 60 * minute;

/** A moment of the week that begins on Sunday, 4 January 2026, in the local time of whatever machine this runs on. */
function at(day: 'sun' | 'mon' | 'tue' | 'fri' | 'sat', hours: number, minutes = 0, seconds = 0): Date {
  return new Date(2026, 0, 4 + { sun: 0, mon: 1, tue: 2, fri: 5, sat: 6 }[day], hours, minutes, seconds);
}

for (const [texts, now, waitMs] of [
  [[], at('mon', 12), 0],
  [['02:00-04:30'], at('mon', 1, 59), minute],
  [['02:00-04:30'], at('mon', 2), 0],
  [['02:00-04:30'], at('mon', 4, 29, 59), 0],
  [['02:00-04:30'], at('mon', 4, 30), 21.5 * hour],
  [['02:00-04:30'], at('mon', 1, 59, 30), minute / 2],
  [['sat,sun 00:00-24:00'], at('sat', 0), 0],
  [['sat,sun 00:00-24:00'], at('sun', 23, 59), 0],
  [['sat,sun 00:00-24:00'], at('fri', 23), hour],
  [['sat,sun 00:00-24:00'], at('mon', 0), 5 * 24 * hour],
  [['mon 22:00-04:00'], at('mon', 21), hour],
  [['mon 22:00-04:00'], at('tue', 3, 59), 0],
  [['mon 22:00-04:00'], at('tue', 4), 6 * 24 * hour + 18 * hour],
  [['mon 22:00-04:00'], at('mon', 3), 19 * hour],
  [['sat 22:00-04:00'], at('sun', 3), 0],
  [['23:00-00:00'], at('mon', 23, 30), 0],
  [['23:00-00:00'], at('tue', 0), 23 * hour],
  [['mon 08:00-09:00', 'mon 20:00-21:00'], at('mon', 10), 10 * hour],
  [['mon 08:00-09:00', 'mon 20:00-21:00'], at('mon', 20, 30), 0],
] as const) {
  const moment = now.toString().slice(0, 24);
  test(`windows [${texts.join('; ')}] at ${moment} ${waitMs === 0 ? 'are open' : `open in ${waitMs / minute} min`}`, () => {
    assert.equal(untilOpen(texts.map(parseWindow), now), waitMs);
  });
}

test('letter case and surrounding spaces of a window do not matter', () => {
  assert.deepEqual(parseWindow(' Mon,TUE 02:00-04:00 '), { ...parseWindow('mon,tue 02:00-04:00'), text: ' Mon,TUE 02:00-04:00 ' });
});

for (const text of ['', '2:00-4:00', '02:00', '02:00-02:00', '24:00-02:00', '02:00-24:30', '02:60-03:00', 'may 02:00-04:00', 'mon,,tue 02:00-04:00', '02:00-04:00 mon']) {
  test(`"${text}" is not a window`, () => {
    assert.throws(() => parseWindow(text), (error: BerthError) => error.code === 'usage' && error.message.includes(`"${text}"`));
  });
}
