import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { systemClock } from '../lib/clock.ts';
import { Cgroups } from './cgroups.ts';
import { groupSettings, limitsOf, monitorRoom } from './cgroup-limits.ts';

const MiB = 1024 * 1024;
const resources = { memory: { limit: 64 * MiB }, pids: { limit: 100 }, cpu: { shares: 1024, quota: 50_000 } };

function written(version: 1 | 2, config: Readonly<Record<string, unknown>>): readonly string[] {
  return groupSettings(version, limitsOf({ linux: { resources: config } })).map(({ file, value }) => `${file} ${value}`);
}

describe('the limits of an app', () => {
  it('on v1 are those of its container and what its monitor needs, without swap', () => {
    const bytes = 64 * MiB + monitorRoom.memoryBytes;
    assert.deepEqual(written(1, resources), [
      'memory.memsw.limit_in_bytes -1', `memory.limit_in_bytes ${bytes}`, `memory.memsw.limit_in_bytes ${bytes}`,
      'cpu.shares 1024', 'cpu.cfs_period_us 100000', 'cpu.cfs_quota_us 50000', `pids.max ${100 + monitorRoom.processes}`,
    ]);
  });

  it('on v2 are the same', () => {
    assert.deepEqual(written(2, resources), [
      `memory.max ${64 * MiB + monitorRoom.memoryBytes}`, 'memory.swap.max 0', 'cpu.weight 39', 'cpu.max 50000 100000', `pids.max ${100 + monitorRoom.processes}`,
    ]);
  });

  it('count swap as OCI does, memory and swap together', () => {
    assert.deepEqual(limitsOf({ linux: { resources: { memory: { limit: 64 * MiB, swap: 80 * MiB } } } }), { memoryBytes: 64 * MiB, swapBytes: 16 * MiB });
  });

  it('are a weight of block I/O, and rates on each disk', () => {
    const limits = { swapBytes: 0, blockIo: { weight: 200, readBytes: 1000, writeOperations: 5 } };
    const show = (version: 1 | 2): readonly string[] => groupSettings(version, limits, ['8:0', '259:1']).map(({ part = 'all', file, value }) => `${part} ${file} ${value}`);
    assert.deepEqual(show(1), [
      'all blkio.weight 200', 'all blkio.bfq.weight 200',
      'app blkio.throttle.read_bps_device 8:0 1000', 'app blkio.throttle.read_bps_device 259:1 1000',
      'app blkio.throttle.write_iops_device 8:0 5', 'app blkio.throttle.write_iops_device 259:1 5',
    ]);
    assert.deepEqual(show(2), ['all io.weight default 200', 'all io.bfq.weight default 200', 'all io.max 8:0 rbps=1000 wiops=5', 'all io.max 259:1 rbps=1000 wiops=5']);
  });

  it('are none where the config has none, or 0, or -1', () => {
    for (const config of [{}, { memory: { limit: -1, swap: -1 }, pids: { limit: 0 }, cpu: { quota: -1 } }]) assert.deepEqual(written(1, config), []);
    assert.deepEqual(groupSettings(2, limitsOf({})), []);
  });

  it('are weights at both ends of their range', () => {
    assert.deepEqual([2, 262_144].map((shares) => written(2, { cpu: { shares } })), [['cpu.weight 1'], ['cpu.weight 10000']]);
  });
});

describe('on a host with v2 only', () => {
  it('the groups above an app hand the controllers down that the host has', (t) => {
    const root = mkdtempSync(join(tmpdir(), 'berth-groups-'));
    t.after(() => {
      rmSync(root, { recursive: true });
    });
    for (const group of ['', 'berth', 'berth/demo.app']) {
      mkdirSync(join(root, group), { recursive: true });
      writeFileSync(join(root, group, 'cgroup.controllers'), 'cpuset cpu memory pids\n');
    }
    const cgroups = new Cgroups('/berth', systemClock, { version: 2, mounts: new Map([['unified', root]]) });
    cgroups.limit('demo', { memoryBytes: 64 * MiB, swapBytes: 0, processes: 10 });
    const read = (path: string): string => readFileSync(join(root, path), 'utf8');
    assert.deepEqual(['', 'berth'].map((group) => read(join(group, 'cgroup.subtree_control'))), ['+cpu', '+cpu']);
    assert.equal(existsSync(join(root, 'berth/demo.app/cgroup.subtree_control')), false, 'the runtime sees to what is below');
    assert.deepEqual([read('berth/demo.app/memory.max'), read('berth/demo.app/pids.max')], [String(96 * MiB), '42']);
    // A kernel without swap has no file for it.
    assert.equal(existsSync(join(root, 'berth/demo.app/memory.swap.max')), false);
  });
});
