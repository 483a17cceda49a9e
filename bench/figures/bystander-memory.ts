import { bystanderFigure } from '../bystander.ts';

export const bystanderMemory = bystanderFigure('bystander-memory', 'takes all memory that it may have, again and again', {
  // Pages that are new each time, so that the kernel has to find them.
  work: 'block = bytearray(64 << 20); block[::4096] = bytes(16_384); del block',
  attack: 'while :; do tail /dev/zero; done',
  resources: { memory: { limit: 128 * 1024 * 1024 } },
});
