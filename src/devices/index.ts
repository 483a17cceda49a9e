/** The devices of this machine: what the operator declared, who has which, and the /dev of the apps that have one. */
export type { Declaration, Place } from './declaration.ts';
export { declaredDevices, readDeclarations, type Declarations } from './declarations.ts';
export { examineDevices } from './examine.ts';
export type { LeaseAnswer } from './leases.ts';
export { Lender, type LenderOptions } from './lender.ts';
export { hostPlaces, type HostPlaces } from './look.ts';
export * from './types.ts';
