/** What an app asks for, held against what it may have: the config that runs. */
export { boundOf } from './bound.ts';
export { Decisions } from './decisions.ts';
export { defaultRights, type EffectiveRights } from './default-rights.ts';
export { entitle, type Entitlement, type Subject } from './entitlement.ts';
export { grant } from './grant.ts';
export { withLoan } from './loan.ts';
export { withVolumes } from './volumes.ts';
export { meet } from './meet.ts';
export { policyFingerprint, readPolicyRules } from './policy-file.ts';
export { rightsSchema } from './rights-schema.ts';
export { seccompProfile } from './seccomp.ts';
export { callsByCapability } from './system-calls.ts';
export type * from './rights.ts';
export { StandingPolicy } from './standing-policy.ts';
export type * from './types.ts';
export { describeDecision, requireGranted } from './verdict.ts';
export { standardDirectories, standardLinks, standardNames, standardNodes } from './standard-dev.ts';
