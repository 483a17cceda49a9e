/** An OCI image's platform (OCI image specification, "Image Index", `platform`): GOARCH and GOARM names. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string | undefined;
}

/** Debian's name, then OCI's; of several for one name the first is what is looked for. */
const names = [
  ['amd64', 'amd64'],
  ['arm64', 'arm64'],
  ['arm64', 'arm64', 'v8'],
  ['armhf', 'arm', 'v7'],
  ['armel', 'arm', 'v5'],
  ['armhf', 'arm'],
  ['i386', '386'],
  ['riscv64', 'riscv64'],
  ['ppc64el', 'ppc64le'],
  ['s390x', 's390x'],
  ['mips64el', 'mips64le'],
] as const;

/** The package architecture for a platform; the platform's own name if Debian has none. */
export function architectureOf({ architecture, variant }: Platform): string {
  return names.find(([, oci, ociVariant]) => oci === architecture && ociVariant === variant)?.[0] ?? names.find(([, oci]) => oci === architecture)?.[0] ?? architecture;
}

/** Whether an image for this platform runs where packages of `architecture` (Debian's name, or OCI's own) run. */
export function isPlatformOf(platform: Platform, architecture: string): boolean {
  return platform.os === 'linux' && (architectureOf(platform) === architecture || platform.architecture === architecture);
}

/** For messages: `linux/arm/v7`. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return variant === undefined || variant === '' ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}
