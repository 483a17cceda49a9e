import { annotationPrefix } from '../image/index.ts';
import type { Decisions } from './decisions.ts';
import type { Request } from './request.ts';

/** Annotations that make an OCI runtime or a manager of containers do something. None ever reaches one. */
const actedUpon = ['run.oci.', 'org.systemd.', 'org.criu.', 'org.opencontainers.runc.', 'org.opencontainers.crun.', 'io.containerd.', 'io.kubernetes.', 'io.podman.', 'io.katacontainers.', 'module.wasm.'];

/** Judges `annotations`: Berth's own are settings, others are words about the app that nobody acts upon. */
export function judgeAnnotations(annotations: Request | undefined, decide: Decisions): void {
  for (const name of annotations?.names ?? []) {
    const value = annotations!.string(name);
    if (name.startsWith(annotationPrefix) || value === undefined) continue;
    if (actedUpon.some((prefix) => name.startsWith(prefix))) decide.refused(annotations!.at(name), value, 'an OCI runtime would act upon it; no annotation is passed to one');
  }
}
