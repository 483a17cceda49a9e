import type { DeviceStatus } from './types.ts';

/** One line of `berth doctor`. */
interface Check {
  readonly name: string;
  readonly outcome: 'ok' | 'warning' | 'failure';
  readonly found: string;
  readonly advice?: string;
}

/** What is to be said of the declared devices; nothing where none are declared. */
export function examineDevices(devices: readonly DeviceStatus[], faults: readonly string[]): readonly Check[] {
  const name = 'devices';
  const broken = faults.map((found): Check => ({ name, outcome: 'failure', found, advice: 'correct the file and restart berthd; until then nobody gets the device' }));
  const notLent = devices.filter(({ fault, platform }) => fault !== undefined && !platform)
    .map((device): Check => ({ name, outcome: 'warning', found: `${device.name}: ${device.fault!}`, advice: 'see docs/devices.md; until then nobody gets the device' }));
  const absent = devices.filter(({ nodes, fault }) => nodes.length === 0 && fault === undefined);
  const missing: readonly Check[] =
    absent.length === 0 ? [] : [{ name, outcome: 'warning', found: `declared but not there: ${absent.map((device) => `${device.name} (${device.place})`).join(', ')}`, advice: 'plug them in, or correct their declarations' }];
  const checks = [...broken, ...notLent, ...missing];
  if (checks.length > 0 || devices.length === 0) return checks;
  return [{ name, outcome: 'ok', found: `${devices.length} declared, all there` }];
}
