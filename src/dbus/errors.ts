import { asBerthError, errorTable } from '../lib/errors.ts';

/** Bytes that are not D-Bus: the connection on which they came is cut. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** Names of the D-Bus specification, "Standard error names", as far as a bus answers with them itself. */
export type StandardError =
  | 'AccessDenied' | 'Failed' | 'InvalidArgs' | 'NameHasNoOwner' | 'PropertyReadOnly' | 'ServiceUnknown' | 'UnixProcessIdUnknown'
  | 'UnknownInterface' | 'UnknownMethod' | 'UnknownObject' | 'UnknownProperty';

/** The answer to a call that cannot be done. */
export class CallError extends Error {
  override readonly name = 'CallError';
  readonly errorName: string;

  constructor(name: StandardError, message: string) {
    super(message);
    this.errorName = `org.freedesktop.DBus.Error.${name}`;
  }
}

/** How a call that threw is answered: D-Bus error name and message. `fault`: what the caller is not told in full. */
export function errorAnswer(thrown: unknown): { readonly name: string; readonly message: string; readonly fault?: string } {
  if (thrown instanceof CallError) return { name: thrown.errorName, message: thrown.message };
  const { code, message } = asBerthError(thrown);
  if (code !== 'internal' && code !== 'io') return { name: errorTable[code].dbus, message };
  return { name: errorTable[code].dbus, message: 'berthd could not do this; its journal says why', fault: message };
}
