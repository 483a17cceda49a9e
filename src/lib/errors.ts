/**
 * The one table of error codes. Every fault that a caller may meet has a code here, and the code says how each
 * interface reports it: process exit status, HTTP status, D-Bus error name, LwM2M software-management result
 * (OMA LwM2M object 9, resource 9 Update Result).
 */
export const errorTable = {
  usage: { exit: 2, http: 400, dbus: 'org.freedesktop.DBus.Error.InvalidArgs', lwm2m: 58 },
  bad_package: { exit: 1, http: 422, dbus: 'org.berth.Error.BadPackage', lwm2m: 53 },
  too_large: { exit: 1, http: 413, dbus: 'org.berth.Error.TooLarge', lwm2m: 53 },
  unsupported: { exit: 1, http: 415, dbus: 'org.berth.Error.Unsupported', lwm2m: 54 },
  architecture: { exit: 1, http: 422, dbus: 'org.berth.Error.Architecture', lwm2m: 54 },
  dependency: { exit: 1, http: 424, dbus: 'org.berth.Error.Dependency', lwm2m: 58 },
  downgrade: { exit: 1, http: 409, dbus: 'org.berth.Error.Downgrade', lwm2m: 58 },
  rolled_back: { exit: 1, http: 409, dbus: 'org.berth.Error.RolledBack', lwm2m: 58 },
  untrusted: { exit: 1, http: 403, dbus: 'org.berth.Error.Untrusted', lwm2m: 53 },
  denied: { exit: 1, http: 403, dbus: 'org.freedesktop.DBus.Error.AccessDenied', lwm2m: 58 },
  not_found: { exit: 1, http: 404, dbus: 'org.berth.Error.NotFound', lwm2m: 58 },
  conflict: { exit: 1, http: 409, dbus: 'org.berth.Error.Conflict', lwm2m: 58 },
  busy: { exit: 1, http: 423, dbus: 'org.berth.Error.Busy', lwm2m: 58 },
  no_space: { exit: 1, http: 507, dbus: 'org.berth.Error.NoSpace', lwm2m: 50 },
  timeout: { exit: 1, http: 504, dbus: 'org.freedesktop.DBus.Error.Timeout', lwm2m: 58 },
  cancelled: { exit: 1, http: 499, dbus: 'org.berth.Error.Cancelled', lwm2m: 52 },
  runtime: { exit: 1, http: 502, dbus: 'org.berth.Error.Runtime', lwm2m: 58 },
  unavailable: { exit: 1, http: 503, dbus: 'org.freedesktop.DBus.Error.ServiceUnknown', lwm2m: 58 },
  io: { exit: 1, http: 500, dbus: 'org.freedesktop.DBus.Error.IOError', lwm2m: 58 },
  internal: { exit: 1, http: 500, dbus: 'org.freedesktop.DBus.Error.Failed', lwm2m: 58 },
} as const;

/** A key of {@link errorTable}. */
export type ErrorCode = keyof typeof errorTable;

/** An error as it crosses an interface: over HTTP, or on standard output with `--json`. */
export interface ErrorBody {
  readonly error: { readonly code: ErrorCode; readonly message: string; readonly detail?: unknown };
}

/**
 * The error that Berth's own code throws. The message says what is wrong, with which file, field or app, and what to
 * do; `detail` is plain data for programs. Text from packages and apps stands in it unescaped: whoever prints it to a
 * terminal escapes it (`lib/terminal.ts`).
 */
export class BerthError extends Error {
  readonly code: ErrorCode;
  readonly detail: unknown;

  constructor(code: ErrorCode, message: string, options: { detail?: unknown; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'BerthError';
    this.code = code;
    this.detail = options.detail;
  }

  toBody(): ErrorBody {
    const { code, message, detail } = this;
    return { error: detail === undefined ? { code, message } : { code, message, detail } };
  }
}

/** System error numbers that have a code of their own; every other one is `io`. */
const errnoCodes: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'no_space',
  EDQUOT: 'no_space',
  ABORT_ERR: 'cancelled',
};

/** True for an error of the operating system with this `code` (`ENOENT`, …). */
export function isErrno(error: unknown, ...codes: string[]): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code !== undefined && codes.includes(code);
}

/** Whatever was thrown, as a {@link BerthError}: system errors by their number, the rest as `internal`. */
export function asBerthError(thrown: unknown): BerthError {
  if (thrown instanceof BerthError) return thrown;
  if (thrown instanceof Error) {
    const errno = (thrown as NodeJS.ErrnoException).code;
    const isSystem = typeof (thrown as NodeJS.ErrnoException).errno === 'number';
    const code = (errno === undefined ? undefined : errnoCodes[errno]) ?? (isSystem ? 'io' : 'internal');
    return new BerthError(code, thrown.message, { cause: thrown });
  }
  return new BerthError('internal', String(thrown));
}
