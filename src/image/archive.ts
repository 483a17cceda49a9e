import { BerthError } from '../lib/errors.ts';

/** What a reader of an archive finds, in order: an entry, its bytes in pieces, its end; then the next entry. */
export type ArchiveEvent<Entry> =
  | { readonly kind: 'entry'; readonly entry: Entry }
  /** Valid only until the next event is asked for: the memory is the archive's. */
  | { readonly kind: 'data'; readonly bytes: Buffer }
  | { readonly kind: 'end' };

/** A reader that is given the archive's bytes as they come and says at once what is in them. */
export interface ArchiveParser<Entry> {
  push(chunk: Buffer): Generator<ArchiveEvent<Entry>, void, undefined>;
  /** To be called after the last byte. @throws BerthError `bad_package` if the archive is not complete. */
  end(): void;
}

/** An entry whose bytes can be read until the next entry is asked for; what is left of them is skipped. */
export interface ArchiveMember<Entry> {
  readonly entry: Entry;
  readonly body: AsyncIterable<Buffer>;
}

/** Entries of an archive one by one, for archives with few and large ones. */
export async function* archiveMembers<Entry>(source: AsyncIterable<Buffer>, parser: ArchiveParser<Entry>): AsyncGenerator<ArchiveMember<Entry>, void, undefined> {
  const events = archiveEvents(source, parser);
  try {
    for (let next = await events.next(); next.done !== true; next = await events.next()) {
      if (next.value.kind !== 'entry') throw new BerthError('internal', 'an archive reader gave bytes without an entry');
      const rest = bodyOf(events);
      yield { entry: next.value.entry, body: { [Symbol.asyncIterator]: () => withoutReturn(rest) } };
      for (let skipped = await rest.next(); skipped.done !== true; skipped = await rest.next());
    }
  } finally {
    await events.return();
  }
}

async function* archiveEvents<Entry>(source: AsyncIterable<Buffer>, parser: ArchiveParser<Entry>): AsyncGenerator<ArchiveEvent<Entry>, void, undefined> {
  for await (const chunk of source) yield* parser.push(chunk);
  parser.end();
}

async function* bodyOf<Entry>(events: AsyncGenerator<ArchiveEvent<Entry>, void, undefined>): AsyncGenerator<Buffer, void, undefined> {
  for (let next = await events.next(); next.done !== true && next.value.kind === 'data'; next = await events.next()) yield next.value.bytes;
}

/** A loop that breaks off ends its iterator; here the rest must still be skipped. */
function withoutReturn<T>(generator: AsyncGenerator<T, void, undefined>): AsyncIterator<T, void, undefined> {
  return { next: () => generator.next() };
}

/** Gathers pieces until a block of fixed size is complete; a block that lies within one piece is not copied. */
export class BlockGatherer {
  readonly #size: number;
  readonly #block: Buffer;
  #filled = 0;

  constructor(size: number) {
    this.#size = size;
    this.#block = Buffer.alloc(size);
  }

  /** Bytes of an incomplete block. */
  get pending(): number {
    return this.#filled;
  }

  /** Takes from `chunk` at `offset`; gives the block if it is complete, and how many bytes were taken. */
  take(chunk: Buffer, offset: number): { readonly taken: number; readonly block: Buffer | undefined } {
    const missing = this.#size - this.#filled;
    const available = chunk.length - offset;
    if (this.#filled === 0 && available >= missing) return { taken: missing, block: chunk.subarray(offset, offset + missing) };
    const taken = Math.min(missing, available);
    chunk.copy(this.#block, this.#filled, offset, offset + taken);
    this.#filled += taken;
    if (this.#filled < this.#size) return { taken, block: undefined };
    this.#filled = 0;
    return { taken, block: this.#block };
  }
}
