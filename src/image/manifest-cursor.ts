import { BerthError } from '../lib/errors.ts';
import { manifestMember, ManifestParser, type ManifestLimits } from './manifest.ts';
import type { Control, ManifestEntry } from './types.ts';

/**
 * A package's own manifest, read alongside its data: both are in the same order, so that neither has to be held in
 * memory.
 */
export class ManifestCursor {
  /** As the first line has it. */
  readonly control: Control;
  readonly #lines: Generator<ManifestLine, void, undefined>;

  /** @throws BerthError if the first line is not as it should be. */
  constructor(chunks: Iterable<Buffer>, limits: ManifestLimits) {
    this.#lines = manifestLines(chunks, limits);
    const first = this.#lines.next().value;
    if (first?.control === undefined) throw new BerthError('bad_package', `${manifestMember}: it is empty`);
    this.control = first.control;
  }

  /** The line of the entry that stands next in data. @throws BerthError `bad_package` if it is another's. */
  take(path: string, where: string): ManifestEntry {
    const entry = this.#next();
    if (entry === undefined) throw new BerthError('bad_package', `${where}: "${path}" is not in ${manifestMember}`);
    if (entry.path !== path) {
      throw new BerthError('bad_package', `${where}: "${path}" stands where ${manifestMember} has "${entry.path}"; both must have the same entries, sorted by the bytes of their paths`);
    }
    return entry;
  }

  /** To be called after the last entry. @throws BerthError `bad_package` if the manifest has more. */
  end(): void {
    const entry = this.#next();
    if (entry !== undefined) throw new BerthError('bad_package', `${manifestMember}: "${entry.path}" is not in the data`);
  }

  /** Reads to the end to say how much was still to come. */
  rest(): { readonly bytes: number; readonly entries: number } {
    let [bytes, entries] = [0, 0];
    for (let entry = this.#next(); entry !== undefined; entry = this.#next()) {
      entries += 1;
      bytes += entry.type === 'file' ? entry.size : 0;
    }
    return { bytes, entries };
  }

  /** Lets go of the chunks' source when not everything is read. */
  close(): void {
    this.#lines.return();
  }

  #next(): ManifestEntry | undefined {
    return this.#lines.next().value?.entry;
  }
}

/** The first line has `control`, every other `entry`. */
export interface ManifestLine {
  readonly control?: Control;
  readonly entry?: ManifestEntry;
}

/** A manifest's lines one by one. Reads a chunk only when the lines of the one before it are used up. */
export function* manifestLines(chunks: Iterable<Buffer>, limits: ManifestLimits): Generator<ManifestLine, void, undefined> {
  let lines: ManifestLine[] = [];
  const parser = new ManifestParser(limits, {
    header: (control) => lines.push({ control }),
    entry: (entry) => lines.push({ entry }),
  });
  for (const chunk of chunks) {
    parser.push(chunk);
    yield* lines;
    lines = [];
  }
  parser.end();
}
