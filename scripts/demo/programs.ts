import { join } from 'node:path';

const checkout = join(import.meta.dirname, '..', '..');

/** The programs as they stand in the checkout. */
export const programs = { berth: join(checkout, 'bin', 'berth'), berthd: join(checkout, 'bin', 'berthd') } as const;
