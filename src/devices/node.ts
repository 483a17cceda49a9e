/** A device that is there at this moment. */
export interface DeviceNode {
  /** The kernel's name for it, without directories. */
  readonly name: string;
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  /**
   * Which device this is: numbers and names go to another device after it has gone, this does not. Of no meaning but to
   * be compared.
   */
  readonly identity: string;
}

/** `c 4:65`, as device numbers are written in /sys/dev and in the rules of control groups. */
export function numberOf({ type, major, minor }: Pick<DeviceNode, 'type' | 'major' | 'minor'>): string {
  return `${type} ${major}:${minor}`;
}

/** The two parts of `st_rdev` (makedev(3), as Linux and glibc lay it out). */
export function splitNumber(device: bigint): { readonly major: number; readonly minor: number } {
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)),
    minor: Number((device & 0xffn) | ((device >> 12n) & 0xfff00n)),
  };
}
