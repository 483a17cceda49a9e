import * as v from 'valibot';
import { parseDigest } from '../lib/digest.ts';
import { BerthError } from '../lib/errors.ts';
import { readAllAuthorities } from './authority.ts';
import { readSignedMessage } from './cms-reader.ts';
import { verifySigners } from './cms-verify.ts';
import { sign, type Signing } from './cms-writer.ts';
import { closeness } from './names.ts';
import { isRelation } from './recalled.ts';
import { standingOf } from './standing.ts';
import type { Authority, Recall, TrustedTime } from './types.ts';

const text = v.pipe(v.string(), v.minLength(1), v.maxLength(1024));

const entry = v.strictObject({
  app: text,
  digest: v.exactOptional(v.pipe(v.string(), v.regex(/^sha256:[0-9a-f]{64}$/, 'not a digest'), v.transform(parseDigest))),
  versions: v.exactOptional(v.pipe(text, v.check(isRelation, 'not a relation to a version, as in "<< 2.0"'))),
  reason: text,
});

/** The document that is signed; docs/trust.md explains the keys. */
const schema = v.strictObject({
  authority: text,
  issued: v.pipe(v.string(), v.isoTimestamp()),
  sequence: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  recalls: v.pipe(
    v.array(v.pipe(entry, v.check(({ digest, versions }) => digest === undefined || versions === undefined, 'either `digest` or `versions`'))),
    v.maxLength(10_000),
  ),
});

/** All that an authority has recalled: a list takes the place of the one before it. */
export interface RecallList {
  readonly authority: string;
  /** ISO 8601, as the authority says. */
  readonly issued: string;
  /** Grows with each list. */
  readonly sequence: number;
  readonly recalls: readonly Recall[];
  /** Names of apps in the list that are not the authority's: what it says of them does not count. */
  readonly foreign: readonly string[];
}

/** What a list is judged by. `known` gives the sequence of the list that is held of an authority, if there is one. */
export interface RecallJudgement {
  readonly authorities: readonly Authority[];
  readonly time: TrustedTime;
  readonly known: (authority: string) => number | undefined;
}

const what = 'the recall list';
/** With which the document begins that was not signed. */
const openingBrace = 0x7b;

/**
 * A recall list: a CMS SignedData with the JSON document in it, by a signer of the authority that it names. An unknown
 * time does not hold up a recall: it is judged by the lower bound.
 * @throws BerthError `untrusted`; `conflict` for one that is older than the one that is held
 */
export function verifyRecallList(der: Uint8Array, { authorities, time, known }: RecallJudgement): RecallList {
  if (der[0] === openingBrace) throw new BerthError('untrusted', `${what} is not signed; sign it with \`berth sign --recalls\``);
  const message = readSignedMessage(der, what);
  const { content } = message;
  if (content === undefined) throw new BerthError('untrusted', `${what} holds no content; sign it with the content in it (\`openssl cms -sign -nodetach\`)`);
  const { readable } = readAllAuthorities(authorities);
  const signers = verifySigners(message, () => [content], readable.flatMap(({ certificates }) => certificates));
  const list = parseRecallDocument(content);
  const by = readable.find(({ authority }) => authority.name === list.authority);
  if (by === undefined) throw new BerthError('untrusted', `${what} is of ${list.authority}, which is no authority of this device`);
  const standings = signers.map((signer) => standingOf(signer, message.certificates, by, { time, unknownTime: 'lenient' }, []));
  if (!standings.some((standing) => standing.knows && standing.fault === undefined)) {
    const fault = standings.find((standing) => standing.knows);
    throw new BerthError('untrusted', `${what} of ${list.authority} is signed by ${signers.map(({ certificate }) => certificate.subject).join(', ')}: ${fault?.knows === true ? fault.fault : 'not a signer of that authority'}`);
  }
  const held = known(list.authority);
  if (held !== undefined && list.sequence < held) throw new BerthError('conflict', `${what} of ${list.authority} has the sequence ${list.sequence}, and number ${held} is held already; get the newest`);
  const isOwn = ({ app }: { readonly app: string }): boolean => closeness(by.authority.apps, app) >= 0;
  return {
    authority: list.authority,
    issued: list.issued,
    sequence: list.sequence,
    recalls: list.recalls.filter(isOwn).map((recall) => ({ authority: list.authority, ...recall })),
    foreign: [...new Set(list.recalls.filter((recall) => !isOwn(recall)).map(({ app }) => app))],
  };
}

/** Signs a document, which is checked first. @throws BerthError `untrusted` naming the key that is wrong in it */
export async function signRecallList(document: Uint8Array, signing: Signing): Promise<Buffer> {
  parseRecallDocument(document);
  return await sign(document, signing, true);
}

function parseRecallDocument(bytes: Uint8Array): v.InferOutput<typeof schema> {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new BerthError('untrusted', `${what} is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const result = v.safeParse(schema, document);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new BerthError('untrusted', `${what}: ${v.getDotPath(issue) ?? 'document'}: ${issue.message}`);
}
