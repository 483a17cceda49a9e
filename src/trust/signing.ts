/** What those need who sign, and who look at signatures: loaded when asked for ({@link signingTools} of index.ts). */
export { signatureAlgorithms } from './algorithms.ts';
export { parseCertificates } from './authority.ts';
export type { Certificate } from './certificate.ts';
export { readSignedMessage } from './cms-reader.ts';
export { verifySigners } from './cms-verify.ts';
export { addSigner, sign } from './cms-writer.ts';
export type { Signing } from './cms-writer.ts';
export { issueCertificate, makeKey, parseSubject } from './issue.ts';
export { writePem } from './pem.ts';
export { signRecallList, verifyRecallList } from './recall-list.ts';
export { commandKey, readPrivateKey, signingKey } from './signing-key.ts';
export type { SigningKey } from './signing-key.ts';
