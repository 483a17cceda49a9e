import assert from 'node:assert/strict';
import { it } from 'node:test';
import { conmonArguments, parseSyncFile } from './conmon.ts';
import { bundleFiles, placesIn } from './places.ts';

const id = 'a'.repeat(64);
const places = placesIn('/run/berth');
const command = { id, places, files: bundleFiles(places, id), oci: { path: '/usr/sbin/runc', globalArguments: ['--root', places.oci] } };

function valuesOf(args: readonly string[], option: string): readonly string[] {
  return args.flatMap((argument, index) => (argument === option ? [args[index + 1]!] : []));
}

it('conmon is told where everything goes', () => {
  const args = conmonArguments({ ...command, log: { path: '/var/log/berth/demo/current', maxBytes: 1000 } });
  assert.deepEqual(valuesOf(args, '--bundle'), [`/run/berth/bundles/${id}`]);
  assert.deepEqual(valuesOf(args, '--exit-dir'), ['/run/berth/exits']);
  assert.deepEqual(valuesOf(args, '--runtime-arg').slice(0, 2), ['--root', '/run/berth/oci']);
  assert.deepEqual(valuesOf(args, '--log-path'), ['k8s-file:/var/log/berth/demo/current']);
  assert.deepEqual(valuesOf(args, '--log-size-max'), ['1000']);
});

it('without a log, conmon drops the output', () => {
  const args = conmonArguments(command);
  assert.deepEqual(valuesOf(args, '--log-path'), ['off']);
  assert.equal(args.includes('--log-size-max'), false);
});

it('the sync file tells a process or a fault, once it is whole', () => {
  assert.equal(parseSyncFile(''), undefined);
  assert.equal(parseSyncFile('{"data": 12'), undefined);
  assert.deepEqual(parseSyncFile('{"data": 1234}\n'), { pid: 1234 });
  assert.deepEqual(parseSyncFile('{"data": -1, "message": "runc create failed: no\\n"}\n'), { fault: 'runc create failed: no' });
  assert.deepEqual(parseSyncFile('{"data": -1}\n'), { fault: '' });
  assert.deepEqual(parseSyncFile('{"data": -1, "message": "a \u0001 \\x"}\n'), { fault: '{"data": -1, "message": "a \u0001 \\x"}' });
});
