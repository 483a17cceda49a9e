import { asBerthError, type BerthError } from '../lib/errors.ts';
import { describeApp, judge, type Candidate, type Device } from './candidate.ts';

/** Candidates that can be put on a device together, and those that cannot, each with what keeps it off. */
export interface Fitting {
  readonly fit: readonly Candidate[];
  readonly misfits: readonly { readonly candidate: Candidate; readonly error: BerthError }[];
}

/** Leaves out what the device would refuse even with all the others there, until the rest has what it needs. */
export function fitting(candidates: readonly Candidate[], device: Device): Fitting {
  const faults = candidates.flatMap((candidate) => {
    const error = faultOf(candidate, candidates.filter((other) => other !== candidate), device);
    return error === undefined ? [] : [{ candidate, error }];
  });
  if (faults.length === 0) return { fit: candidates, misfits: [] };
  const bad = new Set(faults.map(({ candidate }) => candidate));
  const { fit, misfits } = fitting(candidates.filter((candidate) => !bad.has(candidate)), device);
  return { fit, misfits: [...faults, ...misfits] };
}

function faultOf(candidate: Candidate, others: readonly Candidate[], device: Device): BerthError | undefined {
  const names = new Set(others.map(({ image }) => image.package));
  const apps = [...device.apps.filter(({ name }) => !names.has(name)), ...others.map(({ image, settings }) => describeApp(image, settings))];
  try {
    judge([candidate], { ...device, apps }, { allowDowngrade: false, allowMix: true, wayBack: false });
    return undefined;
  } catch (error) {
    return asBerthError(error);
  }
}
