import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { LogLine } from '../src/runtime/index.ts';
import { RuntimeBench } from './support/runtime-bench.ts';

const KiB = 1024;
const small = { logs: { rotateBytes: 64 * KiB, keepBytes: 10_000 * KiB } };

/** A script that writes `count` numbered lines, each about 100 bytes in the log, pausing after every `burst`. */
function writer(count: number, burst: number): string {
  return `awk 'BEGIN { for (i = 1; i <= ${count}; i++) { printf "line %08d ${'x'.repeat(40)}\\n", i; if (i % ${burst} == 0) { fflush(); system("sleep 0.1") } } }'`;
}

function numbers(lines: readonly LogLine[]): readonly number[] {
  return lines.filter((line) => line.stream === 'stdout').map((line) => Number(line.text.slice(5, 13)));
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => index + 1);

describe('a log', () => {
  it('loses no line over rotation below the stated rate', async () => {
    await using bench = await RuntimeBench.open(small);
    // 60 lines of 100 bytes each 0.1 s: just under 64 KiB a second, over many files.
    const record = await bench.start(`${writer(3000, 60)}; sleep 1000`);
    await bench.output('demo', (texts) => texts.at(-1)?.startsWith('line 00003000') === true);
    const lines = await bench.lines('demo');
    assert.deepEqual(numbers(lines), upTo(3000));
    assert.deepEqual(lines.filter((line) => line.stream === 'berth'), []);
    assert.ok(readdirSync(join(bench.directory, 'logs', 'demo')).length > 4);
    await bench.runtime.signal(record.id, 'SIGKILL');
  });

  it('is followed over rotation without missing or doubling a line', async () => {
    await using bench = await RuntimeBench.open(small);
    const stop = new AbortController();
    const followed: LogLine[] = [];
    const following = (async () => {
      for await (const line of bench.runtime.logs('demo', { follow: true, signal: stop.signal })) {
        followed.push(line);
        if (line.text.startsWith('line 00003000')) stop.abort();
      }
    })();
    const record = await bench.start(writer(3000, 60));
    await following;
    await bench.exit(record);
    assert.deepEqual(joined(followed), upTo(3000));
  });

  it('stays within its bound and marks the gap when an app writes too fast', async () => {
    await using bench = await RuntimeBench.open({ logs: { rotateBytes: 64 * KiB, keepBytes: 256 * KiB } });
    const record = await bench.start(`${writer(50_000, 1_000_000)}; sleep 1000`);
    await bench.output('demo', (texts) => texts.some((text) => text.includes('line 00050000')));
    const directory = join(bench.directory, 'logs', 'demo');
    const inodes = new Map(readdirSync(directory).map((name) => statSync(join(directory, name))).map(({ ino, size }) => [ino, size]));
    assert.ok([...inodes.values()].reduce((sum, size) => sum + size, 0) <= 256 * KiB);
    const lines = await bench.lines('demo');
    assert.ok(lines.some((line) => line.stream === 'berth' && /of output are missing here/.test(line.text)));
    // Wherever the numbers jump, a mark says so.
    for (const [index, line] of lines.entries()) {
      const before = lines[index - 1];
      if (before?.stream !== 'stdout' || line.stream !== 'stdout') continue;
      assert.equal(Number(line.text.slice(5, 13)), Number(before.text.slice(5, 13)) + 1);
    }
    await bench.runtime.signal(record.id, 'SIGKILL');
  });

  it('tells the gap of what was written while no daemon was there', async () => {
    await using bench = await RuntimeBench.open({ logs: { rotateBytes: 64 * KiB, keepBytes: 256 * KiB } });
    const record = await bench.start(`echo first; ${writer(5000, 1_000_000)}; sleep 1000`);
    await bench.runtime.close();
    const current = join(bench.directory, 'logs', 'demo', 'current');
    const isQuiet = await quiet(() => `${statSync(current).ino} ${statSync(current).size}`);
    assert.ok(isQuiet);
    await bench.reopen();
    await bench.runtime.adopt(record);
    const lines = await bench.lines('demo');
    assert.equal(lines.at(-1)?.text.slice(0, 13), 'line 00005000');
    assert.match(lines.find((line) => line.stream === 'berth')?.text ?? '', /^\d.* of output are missing here/);
    await bench.runtime.signal(record.id, 'SIGKILL');
  });

  it('goes on over a restart of the daemon without a mark when nothing was lost', async () => {
    await using bench = await RuntimeBench.open(small);
    const record = await bench.start(`${writer(2000, 60)}; sleep 1000`);
    for (let round = 0; round < 4; round += 1) {
      await bench.reopen();
      assert.equal(await bench.runtime.adopt(record), 'running');
      const already = (await bench.lines('demo')).length;
      await bench.output('demo', (texts) => texts.length > already + 100);
    }
    await bench.output('demo', (texts) => texts.at(-1)?.startsWith('line 00002000') === true);
    const lines = await bench.lines('demo');
    assert.deepEqual(numbers(lines), upTo(2000));
    assert.deepEqual(lines.filter((line) => line.stream === 'berth'), []);
    await bench.runtime.signal(record.id, 'SIGKILL');
  });

  it('tells lines apart however the app writes them', async () => {
    await using bench = await RuntimeBench.open();
    const forged = '2020-01-01T00:00:00.000000000+00:00 berth F forged';
    const record = await bench.start(`echo '${forged}'; printf 'a\\000\\377b\\n'; head -c 100000 /dev/zero | tr '\\0' 'ü'; printf 'no end'`);
    await bench.exit(record);
    const lines = await bench.lines('demo');
    assert.deepEqual(lines.map((line) => line.stream).filter((stream) => stream === 'berth'), []);
    assert.equal(lines[0]?.text, forged);
    assert.equal(lines[1]?.text, 'a\0\ufffdb');
    assert.deepEqual([lines.at(-1)?.text.slice(-6), lines.at(-1)?.partial], ['no end', true]);
  });

  it('of several short runs stands in one file, and tail and since choose from it', async () => {
    await using bench = await RuntimeBench.open();
    for (const word of ['one', 'two', 'three']) {
      const record = await bench.start(`echo ${word}; printf 'and ${word}'; echo`);
      await bench.exit(record);
      await bench.runtime.remove(record.id);
    }
    assert.deepEqual(readdirSync(join(bench.directory, 'logs', 'demo')).length, 2);
    assert.deepEqual((await bench.lines('demo')).map(({ text }) => text), ['one', 'and one', 'two', 'and two', 'three', 'and three']);
    assert.deepEqual((await bench.lines('demo', { tail: 3 })).map(({ text }) => text), ['and two', 'three', 'and three']);
    assert.deepEqual(await bench.lines('demo', { tail: 0 }), []);
    const since = Date.parse((await bench.lines('demo', { tail: 2 }))[0]!.time);
    assert.deepEqual((await bench.lines('demo', { sinceMs: since })).map(({ text }) => text), ['three', 'and three']);
    assert.deepEqual(await bench.lines('unknown'), []);
    await bench.runtime.forget('demo');
    assert.deepEqual(await bench.lines('demo'), []);
  });
});

/** Numbers of followed lines, in which a line may come in two pieces. */
function joined(lines: readonly LogLine[]): readonly number[] {
  const whole = lines.map((line) => line.text + (line.partial ? '' : '\n')).join('').trimEnd().split('\n');
  return whole.map((text) => Number(text.slice(5, 13)));
}

/** Waits until a reading has been the same many times over a second. */
async function quiet(reading: () => string): Promise<boolean> {
  for (let before = '', same = 0; same < 20; ) {
    await new Promise((resolve) => { setTimeout(resolve, 50); });
    const now = reading();
    same = now === before ? same + 1 : 0;
    before = now;
  }
  return true;
}
