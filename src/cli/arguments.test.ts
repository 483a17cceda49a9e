import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCommandLine } from './arguments.ts';
import { commands } from './commands.ts';

/** What a command line comes to, in short. */
function parse(line: string): unknown {
  const request = parseCommandLine(line === '' ? [] : line.split(' '), commands);
  if (request.kind !== 'run') return request.kind === 'help' ? ['help', request.command?.name] : [request.kind];
  const { flags, values, args } = request.given;
  return [request.command.name, [...flags], Object.fromEntries(values), args];
}

test('options stand before or after the command and among its arguments', () => {
  const cases: [string, unknown][] = [
    ['ps', ['ps', [], {}, []]],
    ['--json ps', ['ps', ['json'], {}, []]],
    ['--host unix:///s ps --json', ['ps', ['json'], { host: 'unix:///s' }, []]],
    ['ps --host=unix:///s', ['ps', [], { host: 'unix:///s' }, []]],
    ['logs -f -n 5 web', ['logs', ['follow'], { tail: '5' }, ['web']]],
    ['logs web -fn5', ['logs', ['follow'], { tail: '5' }, ['web']]],
    ['start a b c', ['start', [], {}, ['a', 'b', 'c']]],
    ['show -- --odd', ['show', [], {}, ['--odd']]],
    ['install -', ['install', [], {}, ['-']]],
    ['build d -o f', ['build', [], { output: 'f' }, ['d']]],
  ];
  for (const [line, expected] of cases) assert.deepEqual(parse(line), expected, line);
});

test('what follows the app of exec belongs to the command', () => {
  const cases: [string, unknown][] = [
    ['exec web ls -l --json', ['exec', [], {}, ['web', 'ls', '-l', '--json']]],
    ['exec -i web sh -c -i', ['exec', ['interactive'], {}, ['web', 'sh', '-c', '-i']]],
    ['exec --host unix:///s web --help', ['exec', [], { host: 'unix:///s' }, ['web', '--help']]],
    ['exec web -- ls', ['exec', [], {}, ['web', '--', 'ls']]],
    ['exec -- web ls', ['exec', [], {}, ['web', 'ls']]],
    ['--json exec web x', ['exec', ['json'], {}, ['web', 'x']]],
  ];
  for (const [line, expected] of cases) assert.deepEqual(parse(line), expected, line);
});

test('help and version are asked for in several ways', () => {
  assert.deepEqual(parse(''), ['help', undefined]);
  assert.deepEqual(parse('--help'), ['help', undefined]);
  assert.deepEqual(parse('-h'), ['help', undefined]);
  assert.deepEqual(parse('logs --help'), ['help', 'logs']);
  assert.deepEqual(parse('exec -h'), ['help', 'exec']);
  assert.deepEqual(parse('--version'), ['version']);
});

test('wrong usage says what is wrong and what was probably meant', () => {
  const cases: [string, RegExp][] = [
    ['lgos web', /no command "lgos"; did you mean `berth logs`/],
    ['xyzzy', /`berth help` lists/],
    ['--json', /no command given/],
    ['logs --folow web', /no option --folow of `berth logs`; did you mean --follow/],
    ['logs -x web', /no option -x of `berth logs`/],
    ['logs', /APP is missing/],
    ['exec web', /CMD is missing/],
    ['ps extra', /"extra" is one argument too many/],
    ['logs web -n', /-n needs a value: -n N/],
    ['ps --json=yes', /--json takes no value/],
    ['ps --host', /--host needs a value/],
    ['dial-stido', /`berth help` lists/],
  ];
  for (const [line, message] of cases) assert.throws(() => parse(line), { code: 'usage', message }, line);
});

test('the table of commands is in order', () => {
  for (const command of commands) {
    assert.match(command.summary, /^[a-z].*[^.]$/, command.name);
    assert.ok(command.help.length > 0, command.name);
    assert.ok(command.hidden === true || command.examples.length > 0, command.name);
    assert.ok(command.args.every((argument, index) => argument.many !== true || index === command.args.length - 1), command.name);
    for (const { line } of command.examples) {
      const words = /berth ([^|<)]*)/.exec(line)![1]!.trim().split(' ').filter((word) => word !== '2>&1');
      assert.doesNotThrow(() => parseCommandLine(words, commands), line);
    }
  }
});
