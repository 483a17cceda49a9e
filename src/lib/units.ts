import { BerthError } from './errors.ts';

const sizeUnits: Readonly<Record<string, number>> = {
  '': 1, B: 1,
  kB: 1e3, MB: 1e6, GB: 1e9,
  K: 1024, M: 1024 ** 2, G: 1024 ** 3,
  KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3,
};

const rateUnits: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, Mbit: 1e6, Gbit: 1e9 };
const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 };

/** Bytes from `512`, `64KiB`, `64MiB`, `20MB`, `1G`. @throws BerthError `usage` naming `field`. */
export function parseSize(text: string | number, field: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(String(text));
  const unit = match === null ? undefined : sizeUnits[match[2]!];
  if (match === null || unit === undefined) {
    throw new BerthError('usage', `${field}: not a size: ${text} (expected bytes, or a number with KiB, MiB, GiB, kB, MB or GB)`);
  }
  return Math.round(Number(match[1]) * unit);
}

/** Milliseconds from `250ms`, `10s`, `5m`, `2h`, `1d`. @throws BerthError `usage` naming `field`. */
export function parseDuration(text: string, field: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(text);
  if (match === null) throw new BerthError('usage', `${field}: not a duration: ${text} (expected 250ms, 10s, 5m, 2h or 1d)`);
  return Math.round(Number(match[1]) * durationUnits[match[2]!]!);
}

/** Bits a second from `500kbit`, `1Mbit`, `2.5Gbit`. @throws BerthError `usage` naming `field`. */
export function parseRate(text: string, field: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(bit|kbit|Mbit|Gbit)$/.exec(text);
  if (match === null) throw new BerthError('usage', `${field}: not a rate: ${text} (expected bits a second: 500kbit, 1Mbit or 1Gbit)`);
  return Math.round(Number(match[1]) * rateUnits[match[2]!]!);
}

/** Bits a second as {@link parseRate} reads them, in the largest unit that leaves no fraction: `500kbit`, `1Mbit`. */
export function formatRate(bits: number): string {
  const [unit, size] = Object.entries(rateUnits).toReversed().find(([, candidate]) => bits % candidate === 0) ?? ['bit', 1];
  return `${bits / size}${unit}`;
}

/** Bytes for people: `0 B`, `999 B`, `1.4 MiB`. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** A span of time for people: `3s`, `4m 10s`, `2h 5m`, `3d 4h`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${seconds % 60}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h ${Math.floor((seconds % 3600) / 60)}m`;
  return `${Math.floor(seconds / 86_400)}d ${Math.floor((seconds % 86_400) / 3600)}h`;
}
