import type { OciConfig } from '../runtime/index.ts';
import type { DeviceLoan } from './rights.ts';

/** The parts of a config that runs which say what an app has of devices. */
interface DeviceConfig {
  readonly mounts: readonly { readonly destination: string }[];
  readonly linux: { readonly resources: { readonly devices: readonly object[] } };
}

/**
 * The config that runs, with the /dev that an app was lent in place of one that the OCI runtime makes: a bind mount at
 * /dev keeps runtimes from making nodes there. Read-only for the app, which changes nothing about opening a device.
 */
export function withLoan(config: OciConfig, { directory, rules }: DeviceLoan): OciConfig {
  const { mounts, linux } = config as unknown as DeviceConfig;
  const dev = { destination: '/dev', type: 'bind', source: directory, options: ['rbind', 'ro', 'nosuid', 'noexec'] };
  const devices = [...linux.resources.devices, ...rules.map((rule) => ({ allow: true, ...rule }))];
  return {
    ...config,
    mounts: mounts.map((mount) => (mount.destination === '/dev' ? dev : mount)),
    linux: { ...linux, resources: { ...linux.resources, devices } },
  };
}
