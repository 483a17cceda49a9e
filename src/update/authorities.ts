import { X509Certificate } from 'node:crypto';
import { BerthError } from '../lib/errors.ts';
import type { Lifecycle } from '../lifecycle/index.ts';
import type { WritableStore } from '../store/index.ts';
import { closeness, verifyRecallList, type Authority, type RecallList, type TrustedTime } from '../trust/index.ts';
import type { TrustKeeper } from './trust-keeper.ts';

/** An authority, as `berth authority list` shows it. */
export interface AuthorityStatus {
  readonly name: string;
  /** Patterns of app names that it may sign. */
  readonly patterns: readonly string[];
  /** After this moment it signs nothing more, milliseconds since 1970. */
  readonly until?: number;
  /** When the first of its certificates expires, milliseconds since 1970. */
  readonly expiresAt?: number;
  readonly successors: readonly string[];
  /** Apps that belong to it, also ones that were removed. */
  readonly apps: readonly string[];
  /** Number of the recall list that is held of it. */
  readonly recallList?: number;
  /** Why its file cannot be used; or that there is none, while apps belong to it. */
  readonly fault?: string;
}

/** What a list of recalls has brought about. */
export interface RecallsTaken {
  readonly authority: string;
  readonly sequence: number;
  readonly recalls: number;
  /** Apps in the list that are not the authority's: what it says of them does not count. */
  readonly foreign: readonly string[];
  /** False if this very list was held already. */
  readonly isNew: boolean;
}

/** What the operator sees of authorities, and decides about them. */
export interface Authorities {
  list(): Promise<readonly AuthorityStatus[]>;
  /**
   * Hands an app over to an authority; to nobody without one: then it takes what may come in, unsigned packages too.
   * @throws BerthError `not_found` for an authority that is not known here; `conflict` for one that may not sign the app, or while that is updated
   */
  handOver(app: string, authority: string | undefined): Promise<void>;
  /**
   * Takes a signed list of recalls; what runs and is recalled is stopped when this resolves.
   * @throws BerthError `untrusted`; `conflict` for a list that is older than the one that is held
   */
  takeRecalls(list: Uint8Array): Promise<RecallsTaken>;
  /** Forgets the latest moment that was known to be over. Gives what is known of the time now. */
  forgetTime(): Promise<TrustedTime>;
}

export interface AuthoritiesOptions {
  readonly store: Pick<WritableStore, 'trust' | 'book'>;
  readonly trust: TrustKeeper;
  readonly lifecycle: Pick<Lifecycle, 'announce'>;
  /** Stops what runs although it is recalled. */
  readonly enforceRecalls: () => Promise<void>;
}

export function openAuthorities({ store, trust, lifecycle, enforceRecalls }: AuthoritiesOptions): Authorities {
  return {
    list: async () => {
      const { authorities, faults } = await trust.files();
      return authorityStatuses(authorities, faults, store.trust.owners(), store.trust.recallLists());
    },
    handOver: async (app, authority) => {
      const { authorities } = await trust.files();
      if (authority !== undefined) requireMaySign(authorities, authority, app);
      const update = store.book.underWay().find(({ id }) => store.book.members(id).some((member) => member.app === app));
      if (update !== undefined) throw new BerthError('conflict', `${app} is part of update ${update.id}; hand it over when that is over`);
      store.trust.handOver(app, authority);
      lifecycle.announce({ type: 'app.warning', app, message: `${app} was handed over to ${authority === undefined ? 'nobody: it takes whatever may come in' : `authority ${authority}`}` });
    },
    takeRecalls: async (bytes) => {
      const { authorities } = await trust.files();
      const held = new Map(store.trust.recallLists().map((list) => [list.authority, list.sequence]));
      const list = await verifyRecallList(bytes, { authorities, time: trust.time(), known: (name) => held.get(name) });
      const isNew = held.get(list.authority) !== list.sequence;
      if (isNew) {
        store.trust.takeRecallList(list);
        lifecycle.announce({ type: 'app.warning', message: describeList(list) });
      }
      await enforceRecalls();
      return { authority: list.authority, sequence: list.sequence, recalls: list.recalls.length, foreign: list.foreign, isNew };
    },
    forgetTime: async () => {
      const before = trust.time();
      const time = trust.forgetTime();
      lifecycle.announce({ type: 'app.warning', message: `the operator took back that ${isoTime(before.now)} is over; signatures are judged by ${isoTime(time.now)} from now on` });
      return Promise.resolve(time);
    },
  };
}

/** Handed over to one that may not sign it, an app could not be updated by anybody. */
function requireMaySign(authorities: readonly Authority[], name: string, app: string): void {
  const authority = authorities.find((one) => one.name === name);
  if (authority === undefined) throw new BerthError('not_found', `no authority of this device is named "${name}"; \`berth authority list\` shows them`);
  if (closeness(authority.apps, app) < 0) throw new BerthError('conflict', `authority ${name} may not sign ${app}; add it to \`apps\` in ${name}.yaml first`);
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

function describeList({ authority, sequence, recalls }: RecallList): string {
  return `authority ${authority} has recalled ${recalls.length === 1 ? '1 version' : `${recalls.length} versions`} (list ${sequence})`;
}

/** Authorities that are there, whose files have faults, or to whom apps still belong. */
export function authorityStatuses(
  authorities: readonly Authority[],
  faults: readonly { readonly name: string; readonly message: string }[],
  owners: ReadonlyMap<string, string>,
  lists: readonly { readonly authority: string; readonly sequence: number }[],
): readonly AuthorityStatus[] {
  const names = new Set([...authorities.map(({ name }) => name), ...faults.map(({ name }) => name), ...owners.values()]);
  return [...names].toSorted().map((name) => {
    const known = authorities.find((authority) => authority.name === name);
    const fault = faults.find((one) => one.name === name)?.message ?? (known === undefined ? 'it has no file on this device (any more)' : undefined);
    const expiresAt = known === undefined ? undefined : firstExpiry(known);
    const list = lists.find((one) => one.authority === name);
    return {
      name,
      patterns: known?.apps ?? [],
      ...(known?.until === undefined ? {} : { until: known.until }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      successors: known?.successors ?? [],
      apps: [...owners].filter(([, owner]) => owner === name).map(([app]) => app),
      ...(list === undefined ? {} : { recallList: list.sequence }),
      ...(fault === undefined ? {} : { fault }),
    };
  });
}

function firstExpiry({ certificates }: Authority): number | undefined {
  const pems = certificates.flatMap((text) => text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []);
  const times = pems.map((pem) => Date.parse(new X509Certificate(pem).validTo));
  return times.length === 0 ? undefined : Math.min(...times);
}
