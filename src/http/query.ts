import * as v from 'valibot';

/** Query parameters: text in the URL, values for the handler. All of them may be left out. */

/** `true` or `false`. */
export function flag(description: string) {
  return v.exactOptional(
    v.pipe(v.picklist(['true', 'false']), v.transform((text) => text === 'true'), v.boolean(), v.description(description)),
  );
}

/** A whole number from 0 to `max`. */
export function whole(description: string, max = Number.MAX_SAFE_INTEGER) {
  return v.exactOptional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,16}$/, 'expected a whole number'),
      v.transform(Number),
      v.number(),
      v.integer(),
      v.maxValue(max),
      v.description(description),
    ),
  );
}

/** Text as it stands, of at most `maxLength` UTF-16 units. */
export function text(description: string, maxLength = 4096) {
  return v.exactOptional(v.pipe(v.string(), v.maxLength(maxLength), v.description(description)));
}
