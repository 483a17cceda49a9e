import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRecipe } from './recipe.ts';
import { recipeJsonSchema } from './recipe-schema.ts';

const least = 'name: demo\nversion: 1.10\nrootfs: root\nrun:\n  command: [/bin/demo]\n';

function messageOf(source: string): string {
  try {
    parseRecipe(source);
  } catch (error) {
    return (error as Error).message;
  }
  return 'no error';
}

void test('a recipe is read as it was written, with defaults', () => {
  const recipe = parseRecipe(least);
  assert.equal(recipe.version, '1.10');
  assert.deepEqual(recipe.run.user, { uid: 0, gid: 0 });
  assert.equal(recipe.run.cwd, '/');
});

void test('sizes, modes and owners become numbers', () => {
  const recipe = parseRecipe(`${least}  user: 1000\n  env: {ON: yes, EMPTY: ""}\n  limits: {memory: 64MiB, pids: 50, cpus: 0.5}\n  tmpfs: {/tmp: 1M}\nfiles:\n  - {from: a, to: /b/, mode: 0750, owner: 1:2}\n`);
  assert.deepEqual(recipe.run.user, { uid: 1000, gid: 1000 });
  assert.deepEqual(recipe.run.env, { ON: 'yes', EMPTY: '' });
  assert.deepEqual(recipe.run.limits, { memory: 64 * 1024 * 1024, pids: 50, cpus: 0.5 });
  assert.deepEqual(recipe.run.tmpfs, { '/tmp': 1024 * 1024 });
  assert.deepEqual(recipe.files, [{ from: 'a', to: '/b/', mode: 0o750, owner: { uid: 1, gid: 2 } }]);
});

void test('an error names file, line and path', () => {
  const cases: readonly (readonly [string, string])[] = [
    [`${least}  restart: sometimes\n`, 'berth.yaml:6: run.restart: "sometimes" is not one of never, on-failure, always'],
    [`${least}  stop:\n    timeout: 5\n`, 'berth.yaml:7: run.stop.timeout: not a duration: 5 (expected 250ms, 10s, 5m, 2h or 1d)'],
    [`${least}  colour: red\n`, 'berth.yaml:6: run.colour: unknown key; docs/package.md lists those that berth.yaml can have'],
    [`${least}  data:\n    - /ok\n    - relative\n`, 'berth.yaml:8: run.data[1]: "relative" is not an absolute path of plain characters'],
    [`${least}  data: ["/a,/b"]\n`, 'berth.yaml:6: run.data[0]: "/a,/b" must be one item without a comma'],
    [`${least}  env:\n`, 'berth.yaml:6: run.env: must be a map of names to values'],
    [`${least}  limits: {memory: much}\n`, 'berth.yaml:6: run.limits.memory: not a size: much (expected bytes, or a number with KiB, MiB, GiB, kB, MB or GB)'],
    [`${least}files: [{from: a, to: /../b}]\n`, 'berth.yaml:6: files[0].to: "/../b" is not an absolute path without . or ..'],
    [`${least}files: [{from: a, to: /b, mode: 4755}]\n`, 'berth.yaml:6: files[0].mode: set-id bits are not allowed'],
    [`${least}depends: ["b (> 1)"]\n`, 'berth.yaml:6: depends[0]: Depends: "b (> 1)": the operator ">" is not one of << <= = >= >>'],
    [least.replace('1.10', 'v1'), 'berth.yaml:2: version: "v1" is not a version: it does not begin with a digit'],
    [least.replace('name: demo\n', ''), 'berth.yaml:1: name: is missing'],
    [least.replace('[/bin/demo]', '/bin/demo --fast'), 'berth.yaml:5: run.command: must be a list: the program, then its arguments'],
    [least.replace('rootfs: root\n', ''), 'berth.yaml:1: there is nothing to pack: give rootfs, files, or both'],
    ['', 'berth.yaml:1: must be a map with name, version and run'],
  ];
  for (const [source, expected] of cases) assert.equal(messageOf(source), expected);
});

void test('YAML that cannot be read names the line', () => {
  assert.match(messageOf(`${least}name: again\n`), /^berth\.yaml:6: Map keys must be unique/);
  assert.match(messageOf('a: [1,\n'), /^berth\.yaml:\d+: /);
});

void test('there is a JSON Schema for editors', () => {
  const schema = recipeJsonSchema() as { properties: Record<string, unknown>; required: string[] };
  assert.deepEqual(schema.required, ['name', 'version', 'run']);
  assert.ok('files' in schema.properties);
  assert.match(JSON.stringify(schema.properties['version']), /"number"/);
});
