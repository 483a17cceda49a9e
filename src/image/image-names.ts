/** What stands in the directory of an unpacked image: `images/<digest>/` of the store, and staging before it. */
export const imageNames = { manifest: 'manifest', signature: 'signature.p7s', bundle: 'bundle' } as const;
