import { connect } from 'node:net';
import { once } from 'node:events';
import { defaultHost } from '../host.ts';
import { explain } from '../connection.ts';
import type { Command } from '../command.ts';

export const dialStdio: Command = {
  name: 'dial-stdio',
  args: [],
  options: [],
  hidden: true,
  summary: 'connect standard input and output to the local berthd',
  help: [`What \`berth --host ssh://…\` runs on the device. Uses ${defaultHost} unless BERTH_HOST or --host name another local socket.`],
  examples: [],
  run: async ({ io, localSocket }) => {
    const path = localSocket();
    const socket = connect({ path, allowHalfOpen: true });
    try {
      await once(socket, 'connect');
    } catch (error) {
      throw explain({ kind: 'unix', path }, error);
    }
    io.signal.addEventListener('abort', () => socket.destroy());
    // A connection that breaks looks like one that ends: the other side knows what was missing.
    socket.on('error', () => undefined);
    io.stdin.on('error', () => socket.destroy());
    io.stdin.pipe(socket);
    for await (const chunk of socket as AsyncIterable<Buffer>) await io.out(chunk);
    io.stdin.destroy();
  },
};
