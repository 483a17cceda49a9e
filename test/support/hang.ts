import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { until } from './berthd.ts';

/**
 * Makes a container one that cannot be ended: the first process of a PID namespace does not end before all others in it
 * have, and one that was sent in from outside has not until its parent, which is stopped here, has waited for it
 * (pid_namespaces(7)). Gives what lets it end.
 * @param pid the container's first process
 */
export async function hang(t: TestContext, pid: number): Promise<() => void> {
  const parent = spawn('nsenter', ['--target', String(pid), '--pid', '--', 'sleep', '1000'], { stdio: 'ignore' });
  const letGo = (): void => {
    parent.kill('SIGKILL');
  };
  t.after(letGo);
  const child = await until(() => readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, 'utf8').trim() || undefined);
  // It is in the namespace before it is another program.
  await until(() => readFileSync(`/proc/${child}/comm`, 'utf8').trim() === 'sleep');
  parent.kill('SIGSTOP');
  return letGo;
}
