import * as v from 'valibot';
import { asBerthError, BerthError, errorTable, type ErrorBody, type ErrorCode } from '../lib/errors.ts';
import type { Admission, Terms } from './admission.ts';
import { formatControl } from './control.ts';
import { gateDescriptor, type UnpackJob } from './gatekeeper.ts';
import { receiveMessageSync, sendMessageSync } from './message.ts';
import { unpackPayload } from './payload.ts';
import type { PackageReport } from './types.ts';
import { voucher } from './vouch.ts';

/** Certificates and revocation lists of all authorities, and all recalls. */
const maxJobBytes = 64 * 1024 * 1024;
const maxTermsBytes = 64 * 1024;

const termsSchema = v.union([
  v.strictObject({ terms: v.strictObject({ idBase: v.exactOptional(v.number()) }) }),
  v.strictObject({ error: v.strictObject({ code: v.picklist(Object.keys(errorTable) as ErrorCode[]), message: v.string(), detail: v.optional(v.unknown()) }) }),
]);

/**
 * The child's side of `unpackPayloadInChild`: unpacks what comes on standard input as it is told at the gate, where it
 * asks for each package whether it may come in, and answers on standard output.
 */
export async function unpackWorkerMain(): Promise<void> {
  process.stdout.write(JSON.stringify(await answer()));
}

async function answer(): Promise<{ readonly payload: object } | ErrorBody> {
  try {
    const { target, limits, trust } = receiveMessageSync(gateDescriptor, maxJobBytes) as UnpackJob;
    const { kind, bytes, packages } = await unpackPayload(process.stdin, target, { limits, admit, ...(trust === undefined ? {} : { verify: voucher(trust) }) });
    return { payload: { kind, bytes, packages: packages.map(({ name, report }) => ({ name, report: toldOf(report) })) } };
  } catch (error) {
    return asBerthError(error).toBody();
  }
}

/** Who vouches for it was said at the gate, and counts from there. */
function toldOf(report: PackageReport): object {
  return { ...report, control: formatControl(report.control.fields), vouched: undefined };
}

/** Asks at the gate. Nothing else is done meanwhile: the payload waits. */
async function admit(admission: Admission): Promise<Terms> {
  sendMessageSync(gateDescriptor, admission);
  const told = v.parse(termsSchema, receiveMessageSync(gateDescriptor, maxTermsBytes));
  if ('error' in told) throw new BerthError(told.error.code, told.error.message, { detail: told.error.detail });
  return told.terms;
}
