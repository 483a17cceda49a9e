/** The package format in and out: ar, tar, control, manifest, launch settings. */
export { annotationPrefix, annotations, parseSettings } from './settings.ts';
export type { HealthCheck, LaunchSettings, RestartPolicy } from './settings.ts';
export { defaultLimits } from './limits.ts';
export type * from './types.ts';
export { formatControl, formatDepends, parseControl, parseDepends } from './control.ts';
export { hostArchitectures, isArchitectureAccepted } from './architecture.ts';
export { checkVersion, compareVersions, satisfies } from './version.ts';
export { unpackPackage } from './unpack.ts';
export type { PackageClaim, UnpackOptions } from './unpack.ts';
export { imageNames } from './image-names.ts';
export { unpackInChild, unpackWorkerMain } from './worker.ts';
export type { UnpackInChildOptions, WorkerCommand } from './worker.ts';
export { verifyImage } from './verify-image.ts';
export type { VerifyImageOptions } from './verify-image.ts';
export { settingsOfConfig } from './config.ts';
