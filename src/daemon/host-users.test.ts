import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { defaultIds } from '../store/index.ts';
import { requireOwnUsers, takenIds } from './host-users.ts';

const pool = { base: 1_000_000, count: 2 };

test('users, groups and ranges of the host that are to be apps are found, and others are not', () => {
  assert.deepEqual(takenIds(pool, {
    '/etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nbefore:x:999999:5::/:\nfirst:x:1000000:5::/:\nlast:x:1131071:5::/:\nafter:x:1131072:5::/:\n',
    '/etc/group': 'root:x:0:\nmembers:x:1000001:a,b\n',
    '/etc/subuid': 'lower:900000:100000\nacross:900000:100001\naround:1:4000000\nupper:1131072:65536\n',
    '/etc/subgid': '',
  }), ['first in /etc/passwd', 'last in /etc/passwd', 'members in /etc/group', 'across in /etc/subuid', 'around in /etc/subuid']);
});

test('a store to which apps cannot get is refused with the directory that keeps them out', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'berth-users-'));
  t.after(() => { rmSync(directory, { recursive: true }); });
  assert.throws(() => requireOwnUsers(defaultIds, join(directory, 'a/b')), { code: 'usage', message: new RegExp(`chmod o\\+x ${directory}`) });
  chmodSync(directory, 0o711);
  requireOwnUsers(defaultIds, join(directory, 'a/b'));
});
