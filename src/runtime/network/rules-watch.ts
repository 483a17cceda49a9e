import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/**
 * Tells when tables of rules go away, by a child that asks the kernel for such events (`nft monitor`): whoever loads a
 * firewall anew with `flush ruleset`, as Debian's nftables.service does, takes away those of others too.
 */
export class RulesWatch {
  readonly #onLoss: () => void;
  #child: ChildProcess | undefined;

  /** @param onLoss called after tables went away, of whomever */
  constructor(onLoss: () => void) {
    this.#onLoss = onLoss;
  }

  /** Watches from now on. Does nothing if it does so already. */
  start(): void {
    if (this.#child !== undefined) return;
    // Ends with this process, however that ends.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'nft', 'monitor', 'destroy', 'tables'], { stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` } });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', this.#onLoss);
    const forget = (): void => {
      if (this.#child === child) this.#child = undefined;
    };
    child.on('error', forget);
    child.on('exit', forget);
  }

  stop(): void {
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }
}
