import assert from 'node:assert/strict';
import { test } from 'node:test';
import { grantBusNames } from './bus-names.ts';
import { Decisions } from './decisions.ts';
import type { BusNameRight } from './rights.ts';

const rights: readonly BusNameRight[] = [
  { name: 'org.example.Clock', access: 'talk' },
  { name: 'org.example.sensors.*', access: 'talk' },
  { name: 'org.example.Meter', access: 'own' },
];

function refusals(talk: readonly string[], own: readonly string[] = [], busNames = rights): readonly string[] {
  const decide = new Decisions();
  const granted = grantBusNames({ busTalk: talk, busOwn: own }, { busNames }, decide);
  assert.equal(granted.length + decide.all.filter(({ verdict }) => verdict === 'refused').length, talk.length + own.length);
  return decide.all.flatMap(({ path, asked, verdict }) => (verdict === 'refused' ? [`${path} ${asked as string}`] : []));
}

test('names that the policy has are granted, those below a pattern too', () => {
  assert.deepEqual(refusals(['org.example.Clock', 'org.example.sensors.Rain', 'org.example.sensors.a.b', 'org.example.sensors.*'], ['org.example.Meter']), []);
});

test('other names are refused by the annotation that asks for them', () => {
  assert.deepEqual(refusals(['org.example.Clock', 'org.example.ClockX', 'org.example.sensors', 'org.example.*']), [
    'annotations["org.berth.bus.talk"] org.example.ClockX', 'annotations["org.berth.bus.talk"] org.example.sensors', 'annotations["org.berth.bus.talk"] org.example.*',
  ]);
});

test('to be a name and to call it are two rights', () => {
  assert.deepEqual(refusals(['org.example.Meter'], ['org.example.Clock']), ['annotations["org.berth.bus.talk"] org.example.Meter', 'annotations["org.berth.bus.own"] org.example.Clock']);
});

test('no policy gives an app the management of Berth', () => {
  const all: readonly BusNameRight[] = [{ name: 'org.berth.*', access: 'talk' }, { name: 'org.berth.Manager1', access: 'own' }, { name: 'org.*', access: 'talk' }];
  assert.equal(refusals(['org.berth.Manager1', 'org.berth.*', 'org.*'], ['org.berth.Manager1'], all).length, 4);
});
