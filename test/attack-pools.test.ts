/** What the kernel counts for all apps together: one that takes all it can get leaves enough for the others and the host. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { until, whyNoContainers } from './support/berthd.ts';
import { startDevice } from './support/device.ts';

const skip = whyNoContainers();
const options = skip === undefined ? { timeout: 120_000 } : { skip };

/** Takes so many of each and prints how many it got, and what came instead of the next. */
const program = String.raw`
import ctypes, errno, json, os, signal, sys, time
libc = ctypes.CDLL(None, use_errno=True)
most = int(sys.argv[1])

def take(name, act, limit=most):
    for taken in range(limit):
        if act(taken) < 0:
            print(json.dumps([name, taken, errno.errorcode[ctypes.get_errno()]]), flush=True)
            return
    print(json.dumps([name, limit, None]), flush=True)

class Value(ctypes.Union): _fields_ = [('number', ctypes.c_int), ('pointer', ctypes.c_void_p)]
libc.sigqueue.argtypes = [ctypes.c_int, ctypes.c_int, Value]
signal.pthread_sigmask(signal.SIG_BLOCK, [40])
take('inotify instances', lambda number: libc.inotify_init(), min(most, 500))
take('pending signals', lambda number: libc.sigqueue(os.getpid(), 40, Value(number=0)))
take('message queues', lambda number: libc.mq_open(b'/%d' % number, os.O_RDWR | os.O_CREAT, 0o600, None))
take('terminals', lambda number: libc.open(b'/dev/ptmx', os.O_RDWR | os.O_NOCTTY))
print('"done"', flush=True)
time.sleep(float(sys.argv[2]))
`;

/** The answers of the program. */
function answers(texts: readonly string[]): unknown {
  return texts.map((text) => JSON.parse(text) as unknown);
}

test('what one app takes of what the kernel counts for all of them is bounded, and others have theirs', options, async (t) => {
  const device = await startDevice(t);
  const taker = async (name: string, most: number): Promise<unknown> => {
    const process = { user: { uid: 0, gid: 0 }, args: ['/usr/bin/python3', '-S', '/take.py', String(most), '1000'], env: ['PATH=/bin'], cwd: '/' };
    const pythonModules = ['os', 'time', 'ctypes', 'signal', 'json', 'errno', 'struct'];
    await device.install({ name, annotations: { restart: 'never' }, files: { 'take.py': program }, programs: ['/usr/bin/python3'], pythonModules, oci: { process } });
    return answers(await until(async () => {
      const lines = (await device.logged(name)).map(({ text }) => text);
      return lines.includes('"done"') && lines;
    }));
  };
  const all = (most: number): unknown => [['inotify instances', most, null], ['pending signals', most, null], ['message queues', most, null], ['terminals', most, null], 'done'];
  assert.deepEqual(await taker('greedy', 5000), [['inotify instances', 500, null], ['pending signals', 256, 'EAGAIN'], ['message queues', 2, 'EMFILE'], ['terminals', 64, 'ENOSPC'], 'done']);
  assert.deepEqual(await taker('modest', 2), all(2));
  assert.deepEqual(answers(execFileSync('python3', ['-S', '-c', program, '2', '0'], { encoding: 'utf8' }).trim().split('\n')), all(2));
});
