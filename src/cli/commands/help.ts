import { unknownCommand } from '../arguments.ts';
import type { Command } from '../command.ts';
import { commandHelp, overview } from '../help.ts';

/** `berth help`, on the commands of the table that it stands in. */
export function helpCommand(commands: () => readonly Command[]): Command {
  return {
    name: 'help',
    args: [{ name: 'COMMAND', optional: true, kind: 'command' }],
    options: [],
    summary: 'tell how to use berth, or one of its commands',
    help: ['Without COMMAND lists all commands.'],
    examples: [{ line: 'berth help logs', meaning: 'how to use `berth logs`' }],
    run: async ({ io, width }, { args: [name] }) => {
      const columns = Math.min(width ?? 100, 100);
      const command = commands().find((entry) => entry.name === name);
      if (name !== undefined && command === undefined) throw unknownCommand(name, commands());
      await io.out(command === undefined ? overview(commands(), columns) : commandHelp(command, columns));
    },
  };
}
