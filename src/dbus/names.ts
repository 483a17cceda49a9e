/** D-Bus specification, "Valid Names" and "Valid Object Paths". */
import { maxNameBytes } from './limits.ts';

const interfaceName = /^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$/;
const memberName = /^[A-Za-z_][A-Za-z0-9_]*$/;
const busName = /^(:[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+|[A-Za-z_-][A-Za-z0-9_-]*(\.[A-Za-z_-][A-Za-z0-9_-]*)+)$/;
const objectPath = /^\/$|^(\/[A-Za-z0-9_]+)+$/;

export function isObjectPath(text: string): boolean {
  return objectPath.test(text);
}

/** Also of an error. */
export function isInterfaceName(text: string): boolean {
  return text.length <= maxNameBytes && interfaceName.test(text);
}

export function isMemberName(text: string): boolean {
  return text.length <= maxNameBytes && memberName.test(text);
}

export function isBusName(text: string): boolean {
  return text.length <= maxNameBytes && busName.test(text);
}
