import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Journal } from '../../lib/journal.ts';
import { findProgram } from '../program.ts';

/**
 * Tells when tables of rules go away, by a child that asks the kernel for such events (`nft monitor`): whoever loads a
 * firewall anew with `flush ruleset`, as Debian's nftables.service does, takes away those of others too.
 */
export class RulesWatch {
  readonly #onLoss: () => void;
  readonly #journal: Journal;
  #child: ChildProcess | undefined;

  /** @param onLoss called after tables went away, of whomever */
  constructor(onLoss: () => void, journal: Journal) {
    this.#onLoss = onLoss;
    this.#journal = journal;
  }

  /** Watches from now on. Does nothing if it does so already; where it cannot, that is told. */
  async start(): Promise<void> {
    if (this.#child !== undefined) return;
    // setpriv(1) has it end with this process, however that ends.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', (await findProgram('nft')) ?? 'nft', 'monitor', 'destroy', 'tables'], { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', this.#onLoss);
    const end = (what: string): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#journal('warning', `the rules of the apps' network are not watched until an app is connected again: nft monitor ${what}`);
    };
    child.on('error', (error) => { end(`cannot be run: ${error.message}`); });
    child.on('exit', (code, signal) => { end(`ended (${code ?? signal})`); });
  }

  stop(): void {
    const child = this.#child;
    this.#child = undefined;
    child?.kill('SIGKILL');
  }
}
