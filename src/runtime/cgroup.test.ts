import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseFigures } from './cgroup-figures.ts';
import { controllerFile, everyDirectory, monitorDirectories, parseCgroupLayout } from './cgroup-layout.ts';

const hybrid = parseCgroupLayout(`
24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 24 0:26 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
31 30 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate
32 30 0:28 / /sys/fs/cgroup/systemd rw,nosuid shared:11 - cgroup cgroup rw,xattr,name=systemd
33 30 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:15 - cgroup cgroup rw,cpu,cpuacct
34 30 0:31 / /sys/fs/cgroup/memory rw,nosuid shared:16 - cgroup cgroup rw,memory
35 30 0:32 / /sys/fs/cgroup/pids rw,nosuid shared:17 - cgroup cgroup rw,pids
36 30 0:33 / /sys/fs/cgroup/freezer rw,nosuid shared:18 - cgroup cgroup rw,freezer
`);
const pure = parseCgroupLayout('30 24 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n');

describe('the layout of control groups', () => {
  it('is v1 with v2 beside it', () => {
    assert.equal(hybrid.version, 1);
    assert.equal(controllerFile(hybrid, 'cpuacct', '/berth/a/app', 'cpuacct.usage'), '/sys/fs/cgroup/cpu,cpuacct/berth/a/app/cpuacct.usage');
    assert.equal(controllerFile(hybrid, 'blkio', '/berth/a/app', 'x'), undefined);
    assert.deepEqual(everyDirectory(hybrid, '/p').length, 6);
  });

  it('is pure v2', () => {
    assert.equal(pure.version, 2);
    assert.equal(controllerFile(pure, 'memory', '/berth/a/app', 'memory.current'), '/sys/fs/cgroup/berth/a/app/memory.current');
    assert.deepEqual(everyDirectory(pure, '/p'), ['/sys/fs/cgroup/p']);
    assert.deepEqual(monitorDirectories(pure, '/p'), ['/sys/fs/cgroup/p']);
  });

  it("keeps conmon out of the freezer's hierarchy, and names a hierarchy of two controllers once", () => {
    assert.deepEqual(monitorDirectories(hybrid, '/m').toSorted(), ['cpu,cpuacct', 'memory', 'pids', 'systemd', 'unified'].map((name) => `/sys/fs/cgroup/${name}/m`));
  });
});

describe('figures', () => {
  it('of v1', () => {
    const files = { cpu: '1234567\n', memory: '5000\n', memoryStat: 'cache 1\ninactive_file 7\ntotal_inactive_file 1000\n', memoryLimit: '9223372036854771712\n', processes: '3\n' };
    assert.deepEqual(parseFigures(1, files), { cpuNs: 1234567, memoryBytes: 4000, processes: 3 });
    assert.equal(parseFigures(1, { ...files, memoryLimit: '67108864\n' })?.memoryLimitBytes, 67108864);
  });

  it('of v2', () => {
    const files = { cpu: 'usage_usec 1234\nuser_usec 1000\n', memory: '5000\n', memoryStat: 'anon 1\ninactive_file 6000\n', memoryLimit: 'max\n', processes: '3\n' };
    assert.deepEqual(parseFigures(2, files), { cpuNs: 1234000, memoryBytes: 0, processes: 3 });
    assert.equal(parseFigures(2, { ...files, memoryLimit: '4096\n' })?.memoryLimitBytes, 4096);
  });

  it('of a group that is gone are none', () => {
    assert.equal(parseFigures(1, { cpu: undefined, memory: undefined, memoryStat: undefined, memoryLimit: undefined, processes: undefined }), undefined);
  });
});
