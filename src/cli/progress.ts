import { formatSize } from '../lib/units.ts';
import type { InstallPhase } from '../update/index.ts';
import type { Io } from './command.ts';
import { truncate } from './style.ts';

const phaseWords: Readonly<Record<InstallPhase, string>> = {
  receiving: 'receiving',
  storing: 'storing',
  switching: 'switching',
  starting: 'starting',
};

/** The line that shows how far an install is. `totalBytes`: undefined if it is not known, as of a pipe. */
export function progressLine(label: string, phase: InstallPhase, bytes: number, totalBytes: number | undefined, columns: number): string {
  const words = phaseWords[phase];
  if (phase !== 'receiving') return truncate(`${label}  ${words}`, columns);
  if (totalBytes === undefined) return truncate(`${label}  ${words}  ${formatSize(bytes)}`, columns);
  const share = totalBytes === 0 ? 1 : Math.min(1, bytes / totalBytes);
  const figures = `${String(Math.floor(share * 100)).padStart(3)}%  ${formatSize(bytes)} / ${formatSize(totalBytes)}`;
  const width = Math.min(30, columns - label.length - words.length - figures.length - 8);
  if (width < 5) return truncate(`${label}  ${words}  ${figures}`, columns);
  const full = Math.round(share * width);
  return `${truncate(label, columns)}  ${words}  [${'='.repeat(full)}${' '.repeat(width - full)}]  ${figures}`;
}

/** Shows progress on standard error: one line redrawn on a terminal, elsewhere a line at each new phase. */
export class Progress {
  readonly #io: Io;
  readonly #label: string;
  readonly #totalBytes: number | undefined;
  #phase: InstallPhase | undefined;

  constructor(io: Io, label: string, totalBytes: number | undefined) {
    this.#io = io;
    this.#label = label;
    this.#totalBytes = totalBytes;
  }

  async show(phase: InstallPhase, bytes: number): Promise<void> {
    const changed = phase !== this.#phase;
    this.#phase = phase;
    if (this.#io.errTerminal) {
      await this.#io.err(`\r\x1b[2K${progressLine(this.#label, phase, bytes, this.#totalBytes, this.#io.columns())}`);
    } else if (changed) {
      await this.#io.err(`${truncate(this.#label, 200)}: ${phaseWords[phase]}\n`);
    }
  }

  /** Takes the line off the terminal again. */
  async clear(): Promise<void> {
    if (this.#io.errTerminal && this.#phase !== undefined) await this.#io.err('\r\x1b[2K');
  }
}
