/**
 * Who vouches for a package: signatures (CMS), certificates, authorities, recalls. What reads ASN.1 is loaded when the
 * first signature is to be read: an unsigned package does not pay for it.
 */
import type { RecallJudgement, RecallList } from './recall-list.ts';

export type * from './types.ts';
export { readAuthorities } from './authority-file.ts';
export type { AuthorityFiles, AuthorityReading } from './authority-file.ts';
export { judgePackage } from './judge.ts';
export { closeness } from './names.ts';
export { recalledBecause, recallOf, recallsBy } from './recalled.ts';
export type { RecallJudgement, RecallList } from './recall-list.ts';
export type { Certificate, Signing, SigningKey } from './signing.ts';

/**
 * What an authority has recalled, from its signed list; docs/trust.md describes it.
 * @throws BerthError `untrusted`; `conflict` for a list that is older than the one that is held
 */
export async function verifyRecallList(der: Uint8Array, judgement: RecallJudgement): Promise<RecallList> {
  const { verifyRecallList } = await import('./recall-list.ts');
  return verifyRecallList(der, judgement);
}

/** Keys, certificates, signing, and signatures without any authority: for the command line. */
export async function signingTools(): Promise<typeof import('./signing.ts')> {
  return await import('./signing.ts');
}
