/** Bounds of an app's bus. None of them is met by a client that means well. */

/** Bytes of a message, and of its header fields. */
export const maxMessageBytes = 64 * 1024;
export const maxHeaderBytes = 4 * 1024;

/** The specification's own bounds: of a signature, of its nesting, and of a value's nesting through variants. */
export const maxSignatureBytes = 255;
export const maxArrayDepth = 32;
export const maxStructDepth = 32;
export const maxValueDepth = 64;
export const maxNameBytes = 255;

/** Connections of an app at the same time; more are closed at once. */
export const maxConnections = 8;

/** From the connect to `BEGIN`. */
export const authenticationMs = 5000;
export const maxAuthLineBytes = 512;
export const maxAuthLines = 16;

/** Bytes that may wait for a client which does not read; then it is cut off. */
export const maxOutboxBytes = 64 * 1024;

/** Characters of a reason that an app gives; the rest is left out. */
export const maxReasonLength = 1000;

/**
 * What an app may ask of the daemon's one thread, in units of work: a read or a message costs one, and one more for each
 * 4 KiB; a connect costs five. So an app may send 200 calls a second for ever, each in a read of its own, after a burst of
 * as many, which keep the daemon busy for some 30 ms. One that asks for more is not listened to for a while.
 */
export const work = { perSecond: 400, burst: 400, connect: 5, bytesPerUnit: 4096 } as const;
export const restMs = 1000;

/** A flood is told in the journal again after so long without one. */
export const quietMs = 60_000;
