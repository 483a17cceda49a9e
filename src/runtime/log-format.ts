import type { LogLine } from './types.ts';

/** One line of a `k8s-file` log: `<time> <stream> <tag> <text>`. */
interface Entry {
  readonly time: string;
  readonly stream: LogLine['stream'];
  readonly partial: boolean;
  readonly text: Buffer;
}

/** Longest line that is put together again from the pieces that conmon writes; a longer one comes in several. */
const maxLineBytes = 32 * 1024;

const streams: ReadonlySet<string> = new Set(['stdout', 'stderr', 'berth']);
const space = 0x20;

/** Splits one line; undefined if it is not of the format (the machine stopped while it was written). */
function parseEntry(line: Buffer): Entry | undefined {
  const timeEnd = line.indexOf(space);
  const streamEnd = line.indexOf(space, timeEnd + 1);
  const tagEnd = line.indexOf(space, streamEnd + 1);
  if (timeEnd <= 0 || streamEnd < 0 || tagEnd < 0) return undefined;
  const stream = line.toString('latin1', timeEnd + 1, streamEnd);
  const tag = line.toString('latin1', streamEnd + 1, tagEnd);
  if (!streams.has(stream) || (tag !== 'F' && tag !== 'P')) return undefined;
  return { time: line.toString('latin1', 0, timeEnd), stream: stream as LogLine['stream'], partial: tag === 'P', text: line.subarray(tagEnd + 1) };
}

/** A line of Berth's own, as it stands in a log file. */
export function formatMark(nowMs: number, text: string): string {
  return `${new Date(nowMs).toISOString().replace('Z', '000000+00:00')} berth F ${text}\n`;
}

/** A line of Berth's own that stands in no file. */
export function markLine(nowMs: number, text: string): LogLine {
  return { time: new Date(nowMs).toISOString().replace('Z', '000000+00:00'), stream: 'berth', text, partial: false };
}

/**
 * Makes lines of the bytes of log files, fed in order. conmon reads 8 KiB at a time and cuts lines there (tag `P`), so
 * pieces are put together again.
 */
export class LogParser {
  #rest: Buffer = Buffer.alloc(0);
  readonly #held = new Map<LogLine['stream'], { readonly time: string; text: Buffer }>();

  /** The lines that these bytes complete. */
  *feed(bytes: Buffer): Generator<LogLine> {
    let start = 0;
    for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
      const head = bytes.subarray(start, end);
      const entry = parseEntry(this.#rest.length === 0 ? head : Buffer.concat([this.#rest, head]));
      this.#rest = Buffer.alloc(0);
      start = end + 1;
      if (entry !== undefined) yield* this.#join(entry);
    }
    if (start < bytes.length) this.#rest = Buffer.concat([this.#rest, bytes.subarray(start)]);
  }

  /** The pieces whose rest is not there (yet). */
  *flush(): Generator<LogLine> {
    for (const [stream, { time, text }] of this.#held) yield { time, stream, text: text.toString('utf8'), partial: true };
    this.#held.clear();
  }

  /** The file has ended, perhaps in the middle of a line, which then is lost; the next one starts with a whole one. */
  endFile(): void {
    this.#rest = Buffer.alloc(0);
  }

  *#join({ time, stream, partial, text }: Entry): Generator<LogLine> {
    const held = this.#held.get(stream);
    const whole = held === undefined ? text : Buffer.concat([held.text, text]);
    const since = held?.time ?? time;
    this.#held.delete(stream);
    if (!partial) yield { time: since, stream, text: whole.toString('utf8'), partial: false };
    else if (whole.length < maxLineBytes) this.#held.set(stream, { time: since, text: whole });
    else {
      const cut = wholeCharacters(whole);
      yield { time: since, stream, text: whole.toString('utf8', 0, cut), partial: true };
      if (cut < whole.length) this.#held.set(stream, { time: since, text: whole.subarray(cut) });
    }
  }
}

/** Length without the beginning of a UTF-8 character (RFC 3629) that is not all there. */
function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back += 1) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}
