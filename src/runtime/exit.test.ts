import assert from 'node:assert/strict';
import { it } from 'node:test';
import { judge, monitorGraceMs, parseExitFile } from './exit.ts';

it('what is to be done follows from what is seen', () => {
  const cases = [
    // exit file, conmon, first process, gone for
    [true, true, true, 0, 'ended'],
    [true, true, false, 0, 'ended'],
    [true, false, true, 0, 'ended'],
    [true, false, false, 0, 'ended'],
    [false, true, true, 0, 'wait'],
    [false, true, false, 0, 'wait'],
    [false, true, false, monitorGraceMs - 1, 'wait'],
    [false, true, false, monitorGraceMs, 'end-monitor'],
    [false, false, true, 0, 'end-instance'],
    [false, false, false, 0, 'lost'],
  ] as const;
  for (const [exitFile, monitorAlive, initAlive, initGoneMs, expected] of cases) {
    assert.equal(judge({ exitFile, monitorAlive, initAlive, initGoneMs }), expected);
  }
});

it('an exit file tells a code or a signal', () => {
  assert.deepEqual(parseExitFile('0'), { exitCode: 0 });
  assert.deepEqual(parseExitFile('7\n'), { exitCode: 7 });
  assert.deepEqual(parseExitFile('128'), { exitCode: 128 });
  assert.deepEqual(parseExitFile('137'), { signal: 'SIGKILL' });
  assert.deepEqual(parseExitFile('134'), { signal: 'SIGABRT' });
  assert.deepEqual(parseExitFile('143'), { signal: 'SIGTERM' });
  assert.deepEqual(parseExitFile('255'), { exitCode: 255 });
});

it('an exit file that says nothing sensible tells neither', () => {
  for (const text of ['', '-1', 'x', '1e3', '12345']) assert.deepEqual(parseExitFile(text), {});
});
