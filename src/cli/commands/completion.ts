import { usage } from '../arguments.ts';
import type { Command } from '../command.ts';
import { completionScript, shells } from '../completion.ts';

/** `berth completion`, of the table that it stands in. */
export function completionCommand(commands: () => readonly Command[]): Command {
  const command: Command = {
    name: 'completion',
    args: [{ name: 'SHELL', kind: 'shell' }],
    options: [],
    summary: `print a completion script for ${shells.join(', ')}`,
    help: ['Prints a script that makes the shell complete commands, options and names of apps.'],
    examples: [{ line: '. <(berth completion bash)', meaning: 'for this bash' }],
    run: async ({ io }, { args: [name] }) => {
      const shell = shells.find((entry) => entry === name);
      if (shell === undefined) throw usage(`"${name}" is not one of ${shells.join(', ')}`, command);
      await io.out(completionScript(shell, commands()));
    },
  };
  return command;
}
