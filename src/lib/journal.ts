import { escapeForTerminal } from './terminal.ts';

/** Levels of syslog (RFC 5424 section 6.2.1) that Berth uses. */
const priorities = { error: 3, warning: 4, notice: 5, info: 6, debug: 7 } as const;

export type Level = keyof typeof priorities;

/** Where `berthd` tells what it does; one line a call. */
export type Journal = (level: Level, message: string) => void;

/**
 * Lines on standard error; under systemd (`JOURNAL_STREAM` is set) with the `<N>` prefix of sd-daemon(3), else with
 * the level in words. `debug` is left out unless asked for.
 */
export function stderrJournal(options: { debug?: boolean } = {}): Journal {
  const systemd = process.env['JOURNAL_STREAM'] !== undefined;
  return (level, message) => {
    if (level === 'debug' && options.debug !== true) return;
    const prefix = systemd ? `<${priorities[level]}>` : `${level}: `;
    process.stderr.write(`${prefix}${escapeForTerminal(message)}\n`);
  };
}
