import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partOf, withPart } from './parts.ts';

const document = '# Figures\n\n## Machine\n\nold\n\n# Power cuts\n\n| a |\n';

test('a part is replaced and the others stay', () => {
  assert.equal(withPart(document, '# Figures\n\nnew\n'), '# Figures\n\nnew\n\n# Power cuts\n\n| a |\n');
  assert.equal(withPart(document, '# Power cuts\n\n| b |\n'), '# Figures\n\n## Machine\n\nold\n\n# Power cuts\n\n| b |\n');
});

test('a part that is not there is added at the end, also to nothing', () => {
  assert.equal(withPart('# Figures\n\nold\n', '# Power cuts\n\nnew\n'), '# Figures\n\nold\n\n# Power cuts\n\nnew\n');
  assert.equal(withPart('', '# Figures\n\nnew\n'), '# Figures\n\nnew\n');
});

test('a part is found by its heading', () => {
  assert.equal(partOf(document, '# Power cuts'), '# Power cuts\n\n| a |\n');
  assert.equal(partOf(document, '# Nothing'), '');
});
