import { createReadStream, existsSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { compareVersions, packPayload, payloadSize, unpackPayloadInChild } from '../image/index.ts';
import { asBerthError, BerthError } from '../lib/errors.ts';
import { candidateOf, type Candidate } from './candidate.ts';
import { fitting } from './fitting.ts';
import type { FolderFile } from './folder-files.ts';
import { hindrances, isOnDevice, isPassing, judgeOffer, lastAttempt, newestOnly, type Offer, type Verdict } from './folder-rules.ts';
import { surveyDevice } from './surveyor.ts';
import type { UpdatesOptions } from './tools.ts';
import type { Updates, UpdateSource } from './types.ts';

/** A folder that payloads are taken from. */
export interface Folder {
  readonly path: string;
  readonly source: Extract<UpdateSource, 'factory' | 'media'>;
}

/** A package in one of the folder's files. */
interface Found extends Offer {
  readonly file: FolderFile;
  readonly candidate: Candidate;
}

/** One visit to a folder whose content is new. */
export class FolderVisit {
  readonly #folder: Folder;
  readonly #updates: Pick<Updates, 'install' | 'list'>;
  readonly #options: UpdatesOptions;
  readonly #signal: AbortSignal;
  readonly #tell: (message: string) => void;
  /** Nothing is left that is to be tried again. */
  #done = true;

  constructor(folder: Folder, updates: Pick<Updates, 'install' | 'list'>, options: UpdatesOptions, signal: AbortSignal, tell: (message: string) => void) {
    this.#folder = folder;
    this.#updates = updates;
    this.#options = options;
    this.#signal = signal;
    this.#tell = tell;
  }

  /** Gives whether nothing is left to be tried again. */
  async seeTo(files: readonly FolderFile[]): Promise<boolean> {
    const found = new Map<FolderFile, readonly Found[]>();
    for (const file of files) found.set(file, await this.#inspect(file));
    await this.#options.ready;
    await this.#applyPackages([...found].flatMap(([{ kind }, offers]) => (kind === 'package' ? offers : [])));
    for (const [file, offers] of found) if (file.kind === 'archive') await this.#applyArchive(file, offers);
    return this.#done && !this.#signal.aborted;
  }

  /** What a file holds: it is read and checked to its end. */
  async #inspect(file: FolderFile): Promise<readonly Found[]> {
    const { workers, limits, architectures, rule, clock, trust } = this.#options;
    if (this.#signal.aborted) return [];
    const stream = createReadStream(file.path);
    // One that cannot be opened is told by what reads it.
    stream.on('error', () => undefined);
    try {
      const { kind, packages } = await unpackPayloadInChild(stream, undefined, { worker: await workers.unpack(), limits, trust: await trust.policy(), signal: this.#signal });
      if (file.kind === 'package' && kind !== 'package') throw new BerthError('bad_package', 'it is an archive of packages; name it .tar or .swu');
      return packages.map((item) => {
        const candidate = candidateOf(item, { architectures, rule, now: clock.now() });
        return { app: candidate.image.package, version: candidate.image.version, digest: candidate.image.digest, file, candidate };
      });
    } catch (error) {
      this.#failed(asBerthError(error), [file]);
      return [];
    } finally {
      stream.destroy();
    }
  }

  /** All packages that are new are judged together, since they may need each other. */
  async #applyPackages(offers: readonly Found[]): Promise<void> {
    const wanted = newestOnly(offers).filter((offer) => this.#judge(offer) === 'apply');
    const device = await surveyDevice(this.#options, wanted.map(({ candidate }) => candidate));
    const { fit, misfits } = fitting(wanted.map(({ candidate }) => candidate), device);
    for (const { candidate, error } of misfits) {
      const offer = wanted.find((other) => other.candidate === candidate)!;
      this.#failed(error, [offer.file], [offer]);
    }
    const chosen = wanted.filter(({ candidate }) => fit.includes(candidate));
    if (chosen.length === 0) return;
    for (const offers of this.#payloadsOf(chosen)) {
      const files = offers.map(({ file }) => ({ name: file.name, bytes: file.bytes, open: () => createReadStream(file.path) }));
      await this.#install(offers, packPayload(files), payloadSize(files));
    }
  }

  /** What is applied together: a medium brings one payload of each authority. */
  #payloadsOf(offers: readonly Found[]): readonly (readonly Found[])[] {
    if (this.#folder.source === 'factory' || this.#options.trust.rules.allowMix) return [offers];
    return [...Map.groupBy(offers, ({ candidate }) => candidate.image.authority).values()];
  }

  /** An archive is applied wholly or not at all. */
  async #applyArchive(file: FolderFile, offers: readonly Found[]): Promise<void> {
    const judged = offers.map((offer) => ({ offer, verdict: this.#judge(offer) }));
    if (!judged.some(({ verdict }) => verdict === 'apply')) return;
    const obstacles = judged.flatMap(({ offer, verdict }) => (verdict === 'apply' || verdict === 'current' ? [] : [`${offer.app} ${offer.version} ${hindrances[verdict]}`]));
    if (obstacles.length > 0) this.#tell(`${file.name} is not applied, as an archive is applied wholly or not at all: ${obstacles.join('; ')}`);
    else await this.#install(offers, createReadStream(file.path), file.bytes);
  }

  #judge(offer: Found): Verdict {
    const { store } = this.#options;
    const { source } = this.#folder;
    const { app, digest } = offer;
    const row = store.app(app);
    const installed = row === undefined ? undefined : store.image(row.image)?.version;
    const attempt = lastAttempt(this.#updates.list(), source, digest);
    if (attempt === 'had') this.#noteHad(offer);
    if (attempt === 'refused' && store.folders.brought(source, app).refused !== digest) store.folders.noteRefused(source, app, digest);
    const brought = store.folders.brought(source, app);
    const verdict = judgeOffer(offer, { ...brought, ...(installed === undefined ? {} : { installed }), underWay: attempt === 'under-way' });
    if (isOnDevice(verdict)) this.#noteHad(offer);
    if (verdict === 'under-way') this.#done = false;
    return verdict;
  }

  #noteHad({ app, version }: Offer): void {
    const { store: { folders } } = this.#options;
    const { source } = this.#folder;
    const { had } = folders.brought(source, app);
    if (had === undefined || compareVersions(version, had) > 0) folders.noteHad(source, app, version);
  }

  async #install(offers: readonly Found[], payload: Readable, payloadBytes: number): Promise<void> {
    const { store } = this.#options;
    const files = [...new Set(offers.map(({ file }) => file))];
    const names = namesOf(files);
    try {
      if (this.#signal.aborted) return;
      await this.#updates.install(payload, {
        source: this.#folder.source,
        origin: this.#folder.source === 'factory' ? names : `${this.#folder.path}: ${names}`,
        start: true,
        // What the operator has put into the factory folder together is to be there together.
        allowMix: this.#folder.source === 'factory',
        // New apps disturb nobody: no window is waited for.
        now: offers.every(({ app }) => store.app(app) === undefined),
        payloadBytes,
        signal: this.#signal,
      });
      for (const offer of offers) this.#noteHad(offer);
    } catch (error) {
      this.#failed(asBerthError(error), files, offers);
    } finally {
      payload.destroy();
    }
  }

  /** A fault of a file or of the moment: told, and remembered of packages that are at fault themselves. */
  #failed(error: BerthError, files: readonly FolderFile[], offers: readonly Offer[] = []): void {
    const { source } = this.#folder;
    const isGone = source === 'media' && !files.every(({ path }) => existsSync(path));
    const again = isGone || isPassing(error.code);
    if (again) this.#done = false;
    else for (const { app, digest } of offers) this.#options.store.folders.noteRefused(source, app, digest);
    const outcome = again ? 'could not be applied, and is tried again later' : 'is not applied';
    this.#tell(`${namesOf(files)} ${outcome}: ${isGone ? 'the medium was taken away while it was read' : error.message}`);
  }
}

/** Names of files for people, not all of many. */
function namesOf(files: readonly FolderFile[]): string {
  const names = files.map(({ name }) => name);
  return names.length <= 4 ? names.join(', ') : `${names.slice(0, 3).join(', ')} and ${names.length - 3} more`;
}
