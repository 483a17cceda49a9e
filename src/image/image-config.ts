import * as v from 'valibot';
import { BerthError } from '../lib/errors.ts';

/** What `v.parse` found wrong, as one error that names the document. */
export function parseDocument<T>(schema: v.GenericSchema<unknown, T>, value: unknown, name: string): T {
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new BerthError('bad_package', `${name}: ${v.getDotPath(issue) ?? 'document'}: ${issue.message}`);
}

const strings = v.nullish(v.array(v.string()));
const nanoseconds = v.nullish(v.pipe(v.number(), v.minValue(0)));

/** An image's configuration (OCI image specification, "Image Configuration"), with what Docker adds to it. */
export const imageConfigSchema = v.object({
  architecture: v.optional(v.string(), ''),
  variant: v.optional(v.string()),
  os: v.optional(v.string(), 'linux'),
  config: v.optional(
    v.object({
      User: v.nullish(v.string()),
      Env: strings,
      Entrypoint: strings,
      Cmd: strings,
      WorkingDir: v.nullish(v.string()),
      StopSignal: v.nullish(v.string()),
      Volumes: v.nullish(v.record(v.string(), v.unknown())),
      ExposedPorts: v.nullish(v.record(v.string(), v.unknown())),
      Labels: v.nullish(v.record(v.string(), v.string())),
      Shell: strings,
      Healthcheck: v.nullish(
        v.object({ Test: strings, Interval: nanoseconds, Timeout: nanoseconds, StartPeriod: nanoseconds, Retries: v.nullish(v.pipe(v.number(), v.integer(), v.minValue(0))) }),
      ),
    }),
    {},
  ),
  rootfs: v.object({ diff_ids: v.array(v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/, 'not a SHA-256 digest'))) }),
});

export type ImageConfig = v.InferOutput<typeof imageConfigSchema>;
