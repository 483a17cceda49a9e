/** What is done to a device while its disk is recorded, and what it must hold after each step. */

/** Versions of the installed apps, by name. */
export type Holding = Readonly<Record<string, string>>;

export interface Step {
  /** Arguments of `berth`; packages are named by `<app>_<version>.ipk`. */
  readonly command: readonly string[];
  readonly after: Holding;
}

export const steps: readonly Step[] = [
  { command: ['install', '--no-start', 'alpha_1.0.ipk'], after: { alpha: '1.0' } },
  { command: ['install', '--no-start', 'beta_1.0.ipk'], after: { alpha: '1.0', beta: '1.0' } },
  { command: ['install', '--no-start', 'alpha_2.0.ipk'], after: { alpha: '2.0', beta: '1.0' } },
  { command: ['remove', 'beta'], after: { alpha: '2.0' } },
  { command: ['install', '--no-start', 'beta_1.0.ipk'], after: { alpha: '2.0', beta: '1.0' } },
  { command: ['remove', '--purge', 'beta'], after: { alpha: '2.0' } },
  { command: ['remove', 'alpha'], after: {} },
];

/** Where the recorded disk is mounted, and the store on it. */
export const storeFolder = 'berth';
