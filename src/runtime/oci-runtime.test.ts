import assert from 'node:assert/strict';
import { it } from 'node:test';
import { codeOfFailedExec, execProcess } from './exec.ts';
import { plainMessage } from './oci-runtime.ts';

it("the runtime's last message is told without its log format", () => {
  assert.equal(plainMessage('runc create failed: no such thing\n'), 'runc create failed: no such thing');
  assert.equal(plainMessage('time="2026-11-23T19:00:00Z" level=warning msg="odd"\ntime="2026-11-23T19:00:00Z" level=error msg="exec: \\"/x\\": not there"\n'), 'exec: "/x": not there');
  assert.equal(plainMessage('{"level":"error","msg":"it broke","time":"2026-11-23T19:00:00Z"}'), 'it broke');
  assert.equal(plainMessage('{not json'), '{not json');
  assert.equal(plainMessage('{"level":"error"}'), '{"level":"error"}');
  assert.equal(plainMessage(' \n'), 'it gave no reason');
});

it('a command that was never run gets the exit code of a shell', () => {
  assert.equal(codeOfFailedExec('exec failed: unable to start container process: exec: "nope": executable file not found in $PATH'), 127);
  assert.equal(codeOfFailedExec('exec failed: unable to start container process: exec: "/bin/nope": stat /bin/nope: no such file or directory'), 127);
  assert.equal(codeOfFailedExec('executable file `nope` not found in $PATH: No such file or directory'), 127);
  assert.equal(codeOfFailedExec('exec failed: unable to start container process: exec: "/tmp": is a directory'), 126);
  assert.equal(codeOfFailedExec('exec failed: unable to start container process: exec: "/etc/x": permission denied'), 126);
  assert.equal(codeOfFailedExec('open executable: Operation not permitted'), 126);
  assert.equal(codeOfFailedExec('cannot exec in a paused container'), undefined);
});

it("a command has the app's own rights and surroundings but for what is asked for", () => {
  const own = { terminal: true, consoleSize: { height: 1, width: 1 }, args: ['app'], env: ['A=1'], cwd: '/a', user: { uid: 5, gid: 5, additionalGids: [7] }, capabilities: { bounding: [] }, noNewPrivileges: true };
  assert.deepEqual(execProcess(own, { command: ['ls'] }), {
    terminal: false, args: ['ls'], env: ['A=1'], cwd: '/a', user: own.user, capabilities: { bounding: [] }, noNewPrivileges: true,
  });
  const { env, cwd, user } = execProcess(own, { command: ['ls'], env: [], cwd: '/', user: { uid: 1, gid: 2 } });
  assert.deepEqual({ env, cwd, user }, { env: [], cwd: '/', user: { uid: 1, gid: 2 } });
});
