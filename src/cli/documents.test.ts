import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../lib/process.ts';
import { commands } from './commands.ts';
import { completionScript, shells } from './completion.ts';
import { commandHelp, overview } from './help.ts';
import { berthPage, renderPage, roff } from './man.ts';

const shown = commands.filter((command) => command.hidden !== true);

test('help, manual and completion know every command and option, and none that is hidden', () => {
  const page = renderPage(berthPage(commands), '1.0');
  const texts = [overview(commands, 80), page, ...shells.map((shell) => completionScript(shell, commands))];
  for (const text of texts) {
    for (const command of shown) assert.match(text, new RegExp(`\\b${command.name}\\b`));
    assert.doesNotMatch(text, /dial-stdio|dial\\-stdio/);
  }
  for (const command of shown) {
    for (const { name } of command.options) {
      assert.ok(commandHelp(command, 80).includes(`--${name}`), name);
      assert.ok(page.includes(roff(`--${name}`)), name);
      for (const shell of shells) assert.ok(completionScript(shell, commands).includes(name), `${shell} ${name}`);
    }
  }
});

test('help fits its width', () => {
  for (const width of [72, 80, 100]) {
    for (const command of shown) {
      const prose = commandHelp(command, width).split('\nExamples:')[0]!;
      for (const line of prose.split('\n').slice(1)) assert.ok(line.length <= width, line);
    }
  }
});

test('roff shows text as it stands', () => {
  assert.equal(roff("a\\b -c 'd' `e`\n.f"), 'a\\eb \\-c \\(aqd\\(aq \\(gae\\(ga\n\\&.f');
});

test('bash completes commands, options and words of arguments', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'berth-completion-'));
  try {
    const script = join(directory, 'berth.bash');
    await writeFile(script, completionScript('bash', commands));
    const complete = async (...words: string[]): Promise<string[]> => {
      const program = `. ${script}; berth() { printf 'APP\\nweb  x\\nbroker  y\\n'; }; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _berth; printf '%s\\n' "\${COMPREPLY[@]}"`;
      const { code, stdout, stderr } = await run('bash', ['-c', program]);
      assert.equal(code, 0, stderr);
      return stdout.split('\n').filter((line) => line !== '');
    };
    assert.deepEqual(await complete('berth', 'sus'), ['suspend']);
    assert.deepEqual(await complete('berth', '--host', 'unix:///s', 'logs', '--f'), ['--follow']);
    assert.deepEqual(await complete('berth', 'stop', ''), ['web', 'broker']);
    assert.deepEqual(await complete('berth', 'completion', 'f'), ['fish']);
    assert.deepEqual(await complete('berth', 'authority', 'h'), ['hand-over']);
    assert.deepEqual(await complete('berth', 'help', 'imag'), ['images']);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
