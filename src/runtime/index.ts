/** Runs OCI containers through conmon and runc or crun: start, adopt, signal, exec, figures, logs. */
export type * from './types.ts';
