/** The native REST API on a unix socket: one table of routes, from which dispatch, validation and OpenAPI come. */
export type { Api, VersionInfo } from './api.ts';
export type { Patience } from './dispatch.ts';
export type { NativeOptions } from './native.ts';
export { serveNative } from './native.ts';
export type { Document } from './route.ts';
export type * as schemas from './schemas.ts';
export { clearStale, listen } from './socket.ts';
export type { SocketOptions } from './socket.ts';
