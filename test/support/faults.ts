import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { berthdBundle } from './berthd.ts';

/** Makes durable operations of a daemon fail while it runs (`src/lib/faults.ts`). */
export class Faults {
  readonly #directory = mkdtempSync(join(tmpdir(), 'berth-faults-'));

  constructor(t: TestContext) {
    // Children of berthd are nobody there, and note what they do too.
    chmodSync(this.#directory, 0o777);
    t.after(() => {
      // The daemon, which is taken away later, may write in it meanwhile.
      rmSync(this.#directory, { recursive: true, maxRetries: 10 });
    });
  }

  /** The program of a daemon that heeds them. */
  get program(): readonly string[] {
    return ['env', `BERTH_TEST_FAULTS=${this.#directory}`, process.execPath, berthdBundle];
  }

  /**
   * From now on, operations are counted anew, and these fail: `3 EIO` the third, `3+ EROFS` all from the third on,
   * `2+ EROFS remove` all from the second on whose line contains `remove`.
   */
  arm(fault: string): void {
    this.disarm();
    writeFileSync(this.#operations, '');
    chmodSync(this.#operations, 0o666);
    writeFileSync(this.#fault, fault);
  }

  disarm(): void {
    rmSync(this.#fault, { force: true });
  }

  /** What was done since they were armed: `publish /path`. */
  operations(): readonly string[] {
    if (!existsSync(this.#operations)) return [];
    const lines = readFileSync(this.#operations, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => line.slice(line.indexOf(' ') + 1));
  }

  get #operations(): string {
    return join(this.#directory, 'operations');
  }

  get #fault(): string {
    return join(this.#directory, 'fault');
  }
}
