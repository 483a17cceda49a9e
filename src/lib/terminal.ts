/**
 * Text from packages, apps and logs made safe for a terminal: control characters (C0, DEL, C1), bidirectional
 * overrides and lone surrogates are shown as escapes. Tabs stay when `keepTabs` is set.
 */
export function escapeForTerminal(text: string, options: { keepTabs?: boolean } = {}): string {
  return text.replace(unsafe, (character) => {
    if (character === '\t' && options.keepTabs === true) return character;
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
  });
}

// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const unsafe = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
