import { formatDuration, formatSize } from '../lib/units.ts';
import type { UpdatePhase } from '../update/index.ts';
import type { Io } from './command.ts';
import { truncate } from './style.ts';

/** What each phase of an update is called in front of people. */
export const phaseWords: Readonly<Record<UpdatePhase, string>> = {
  receiving: 'receiving',
  queued: 'queued',
  storing: 'storing',
  copying: 'copying data',
  waiting: 'waiting',
  switching: 'switching',
  starting: 'starting',
  trial: 'on trial',
  'rolling-back': 'rolling back',
};

/** How far an update is. */
export interface Standing {
  readonly phase: UpdatePhase;
  /** Bytes of the payload read so far. */
  readonly bytes: number;
  readonly waitingFor?: string;
  /** Milliseconds until the trial is rolled back. */
  readonly leftMs?: number;
}

/** `web.ipk  packing  [=====     ]   50%  5.0 MiB / 10.0 MiB`, as wide as there is room. */
export function barLine(label: string, words: string, bytes: number, totalBytes: number, columns: number): string {
  const share = totalBytes === 0 ? 1 : Math.min(1, bytes / totalBytes);
  const figures = `${String(Math.floor(share * 100)).padStart(3)}%  ${formatSize(bytes)} / ${formatSize(totalBytes)}`;
  const width = Math.min(30, columns - label.length - words.length - figures.length - 8);
  if (width < 5) return truncate(`${label}  ${words}  ${figures}`, columns);
  const full = Math.round(share * width);
  return `${truncate(label, columns)}  ${words}  [${'='.repeat(full)}${' '.repeat(width - full)}]  ${figures}`;
}

/** The line that shows how far an update is. `totalBytes`: undefined if it is not known, as of a pipe. */
export function progressLine(label: string, standing: Standing, totalBytes: number | undefined, columns: number): string {
  const { phase, bytes } = standing;
  if (phase !== 'receiving') return truncate(`${label}  ${describe(standing)}`, columns);
  if (totalBytes === undefined) return truncate(`${label}  ${phaseWords[phase]}  ${formatSize(bytes)}`, columns);
  return barLine(label, phaseWords[phase], bytes, totalBytes, columns);
}

/** `waiting: the window of 02:00`, `on trial, at most 1m 59s left` */
function describe({ phase, waitingFor, leftMs }: Standing): string {
  const why = waitingFor === undefined ? '' : `: ${waitingFor}`;
  const left = leftMs === undefined ? '' : `, at most ${formatDuration(leftMs)} left`;
  return phaseWords[phase] + why + left;
}

/** One line of standard error that is drawn anew, on a terminal; elsewhere nothing. */
export class StatusLine {
  readonly #io: Io;
  #shown = '';

  constructor(io: Io) {
    this.#io = io;
  }

  /** `line`: for this many columns, escaped already. */
  async draw(line: (columns: number) => string): Promise<void> {
    if (!this.#io.errTerminal) return;
    const text = line(this.#io.columns());
    if (text === this.#shown) return;
    this.#shown = text;
    await this.#io.err(`\r\x1b[2K${text}`);
  }

  /** Takes it off the terminal again. */
  async clear(): Promise<void> {
    if (this.#shown !== '') await this.#io.err('\r\x1b[2K');
    this.#shown = '';
  }
}

/** Shows on standard error how far an update is: one line on a terminal, elsewhere a line at each new phase. */
export class Progress {
  readonly #io: Io;
  readonly #label: string;
  readonly #totalBytes: number | undefined;
  readonly #line: StatusLine;
  #told = '';
  #countdown: NodeJS.Timeout | undefined;

  constructor(io: Io, label: string, totalBytes: number | undefined) {
    this.#io = io;
    this.#label = label;
    this.#totalBytes = totalBytes;
    this.#line = new StatusLine(io);
  }

  async show(standing: Standing): Promise<void> {
    clearInterval(this.#countdown);
    if (!this.#io.errTerminal) {
      await this.#tell(standing);
      return;
    }
    const since = this.#io.now();
    const draw = (): Promise<void> => {
      const { leftMs, ...rest } = standing;
      const now = leftMs === undefined ? rest : { ...rest, leftMs: leftMs - (this.#io.now() - since) };
      return this.#line.draw((columns) => progressLine(this.#label, now, this.#totalBytes, columns));
    };
    if (standing.leftMs !== undefined) this.#countdown = setInterval(() => void draw(), 1000);
    await draw();
  }

  /** Takes the line off the terminal again. */
  async clear(): Promise<void> {
    clearInterval(this.#countdown);
    await this.#line.clear();
  }

  async #tell(standing: Standing): Promise<void> {
    const news = `${standing.phase}: ${standing.waitingFor ?? ''}`;
    if (news === this.#told) return;
    this.#told = news;
    await this.#io.err(`${truncate(`${this.#label}: ${describe(standing)}`, 200)}\n`);
  }
}
