import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHost, sshCommand, type Host } from './host.ts';

test('hosts are sockets or devices', () => {
  const cases: [string, Host][] = [
    ['unix:///run/berth/berth.sock', { kind: 'unix', path: '/run/berth/berth.sock' }],
    ['ssh://gateway', { kind: 'ssh', device: 'gateway' }],
    ['ssh://root@gateway.local:2222/', { kind: 'ssh', device: 'gateway.local', user: 'root', port: 2222 }],
    ['ssh://root@[fe80::1%eth0]:22', { kind: 'ssh', device: 'fe80::1%eth0', user: 'root', port: 22 }],
  ];
  for (const [text, host] of cases) assert.deepEqual(parseHost(text), host, text);
});

test('nothing in a host becomes an option of ssh or a part of a command', () => {
  const hostile = [
    'ssh://-oProxyCommand=x', 'ssh://-l@host', 'ssh://user@-host', 'ssh://a b', 'ssh://a;b', 'ssh://a$(b)', 'ssh://', 'ssh://@host',
    'ssh://u@h@i', 'ssh://[-x]', 'ssh://[a b]', 'ssh://h:0', 'ssh://h:65536', 'ssh://h/path', 'unix://relative', 'tcp://h', 'h', '',
  ];
  for (const text of hostile) assert.throws(() => parseHost(text), { code: 'usage' }, text);
});

test('ssh is told where options end', () => {
  const host = { kind: 'ssh', device: 'gateway', user: 'root', port: 2222 } as const;
  assert.deepEqual(sshCommand(host, 'ssh -i key'), ['ssh', '-i', 'key', '-T', '-p', '2222', '--', 'root@gateway', 'berth', 'dial-stdio']);
});
