import { arch } from 'node:process';

/** Packages of these architectures run anywhere. */
const everywhere: readonly string[] = ['all', 'any', 'noarch'];

/** Names that distributions give to what Node calls `process.arch`. */
const namesOf: Readonly<Record<string, readonly string[]>> = {
  x64: ['amd64', 'x86_64', 'x86-64'],
  arm64: ['arm64', 'aarch64'],
  arm: ['armhf', 'armv7', 'armv7a', 'armv7l', 'armv7ahf', 'armv7at2hf', 'armv7at2hf-neon', 'cortexa7t2hf-neon', 'cortexa7t2hf-neon-vfpv4'],
  riscv64: ['riscv64'],
};

/** The names of this machine's architecture; a device's configuration may add its own (a Yocto tune name). */
export function hostArchitectures(nodeArch: string = arch): readonly string[] {
  return namesOf[nodeArch] ?? [nodeArch];
}

/** The names of the architecture that has this name among them; without a name, this machine's. */
export function architecturesWith(name: string | undefined): readonly string[] {
  if (name === undefined) return hostArchitectures();
  return Object.values(namesOf).find((names) => names.includes(name)) ?? [name];
}

/** Whether a package with this `Architecture` runs where the `accepted` names are those of the machine. */
export function isArchitectureAccepted(architecture: string, accepted: readonly string[] = hostArchitectures()): boolean {
  return everywhere.includes(architecture) || accepted.includes(architecture);
}
