import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { TestContext } from 'node:test';
import { until } from './berthd.ts';

/** What a disk is filled up with. */
const chunk = Buffer.alloc(64 * 1024, 0x5a);
const blockBytes = 4096;

/** A small ext4 of its own for a test, in a file; unmounted and deleted when the test ends. */
export class SmallDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #image: string;
  #fillers = 0;

  /** @param size as `truncate -s` takes it @param options of `mkfs.ext4`; nothing is kept back for root unless they say so */
  constructor(t: TestContext, size: string, options: readonly string[] = []) {
    const directory = mkdtempSync('/var/tmp/berth-disk-');
    // Containers pass through here.
    chmodSync(directory, 0o711);
    this.path = join(directory, 'disk');
    this.#image = join(directory, 'image');
    mkdirSync(this.path);
    execFileSync('truncate', ['-s', size, this.#image]);
    execFileSync('/usr/sbin/mkfs.ext4', ['-q', '-m', '0', ...options, this.#image]);
    this.mount();
    t.after(() => {
      spawnSync('umount', ['-l', this.path]);
      rmSync(directory, { recursive: true });
    });
  }

  mount(): void {
    execFileSync('mount', ['-o', 'loop,errors=remount-ro', this.#image, this.path]);
  }

  /** Unmounts it, which nobody may use any more, repairs it and mounts it again, as the next boot of a device does. */
  async repair(): Promise<void> {
    execFileSync('umount', [this.path]);
    // Ending containers have mounts of their own until they are gone.
    await until(() => execFileSync('losetup', ['-j', this.#image], { encoding: 'utf8' }) === '');
    const { status, stdout } = spawnSync('/usr/sbin/e2fsck', ['-f', '-y', this.#image], { encoding: 'utf8' });
    if (status === null || status > 1) throw new Error(`e2fsck ends with ${status}: ${stdout}`);
    this.mount();
  }

  sync(): void {
    execFileSync('sync', ['-f', this.path]);
  }

  get freeBytes(): number {
    this.sync();
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Takes all of its room but this many bytes. */
  leaveBytes(left: number): void {
    const bulk = this.freeBytes - left - chunk.length;
    if (bulk > 0) execFileSync('fallocate', ['-l', String(bulk), this.#filler()]);
    // The list of a file's blocks takes some, too.
    const file = openSync(this.#filler(), 'w');
    try {
      for (let excess = this.freeBytes - left; excess >= blockBytes; excess = this.freeBytes - left) writeSync(file, chunk, 0, Math.min(excess, chunk.length));
    } catch (error) {
      if (left > 0 || (error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
  }

  /** Takes all of its inodes but this many. */
  leaveInodes(left: number): void {
    const directory = this.#filler();
    mkdirSync(directory);
    for (let number = statfsSync(this.path).ffree - left; number > 0; number -= 1) writeFileSync(join(directory, String(number)), '');
  }

  /** Gives back all that was taken. */
  makeRoom(): void {
    for (let number = 1; number <= this.#fillers; number += 1) rmSync(join(this.path, `filler-${number}`), { recursive: true, force: true });
    this.sync();
  }

  /** The kernel finds an error in the file system and makes it read-only, whoever has files of it open (ext4, `errors=remount-ro`). */
  breakDown(): void {
    const device = execFileSync('findmnt', ['-no', 'SOURCE', this.path], { encoding: 'utf8' }).trim();
    const trigger = `/sys/fs/ext4/${basename(device)}/trigger_fs_error`;
    if (!existsSync(trigger)) throw new Error(`${trigger} is not there`);
    // The write itself is answered with the error.
    spawnSync('sh', ['-c', `echo test > ${trigger}`]);
  }

  #filler(): string {
    this.#fillers += 1;
    return join(this.path, `filler-${this.#fillers}`);
  }
}
