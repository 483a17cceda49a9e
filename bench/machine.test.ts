import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cpuModel } from './machine.ts';

test('a processor is named as the kernel names it', () => {
  assert.equal(cpuModel('processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nprocessor\t: 1\n'), 'Some CPU @ 2 GHz');
  assert.equal(cpuModel('processor\t: 0\nCPU part\t: 0xd08\n'), '0xd08');
  assert.equal(cpuModel(''), process.arch);
});
