/**
 * What a signature may cost. All of it is read by root's child before anything is known of who made it, so each bound
 * is a few times what honest signatures need: one signer with ML-DSA-65 and two certificates takes 15 KiB.
 */
export const limits = {
  /** Of a CMS SignedData; of a recall list with the list in it. */
  signatureBytes: 256 * 1024,
  /** Of one certificate. */
  certificateBytes: 64 * 1024,
  /** Of one revocation list. */
  crlBytes: 1024 * 1024,
  /** Levels of ASN.1 inside one another; a certificate in a SignedData has 11. */
  depth: 24,
  /** ASN.1 elements of a SignedData or a certificate. */
  elements: 20_000,
  /** ASN.1 elements of a revocation list: 12,000 certificates, read in half a second. */
  crlElements: 50_000,
  signers: 16,
  certificates: 32,
  /** Signed attributes of one signer; `openssl cms` makes 4. */
  attributes: 16,
  /** Certificates from the signer's to the authority's, both counted. */
  chain: 6,
  /** Signatures on certificates that are checked for one signer and authority: with cross-signed CAs there are many ways to go. */
  chainChecks: 16,
  /**
   * A signature by Ed25519 or ML-DSA without signed attributes is over the content itself, which must then be held in
   * memory; others are over a digest.
   */
  plainContentBytes: 16 * 1024 * 1024,
  rsaBits: { least: 3072, most: 8192 },
} as const;
