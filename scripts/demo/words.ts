const columns = 80;

/** A line that separates one part of the demonstration from the next. */
export function heading(title: string): void {
  const bold = process.stdout.isTTY ? (text: string): string => `\x1b[1m${text}\x1b[0m` : (text: string): string => text;
  process.stdout.write(`\n${bold(`── ${title} ${'─'.repeat(columns - title.length - 4)}`)}\n`);
}

/** A paragraph of the narrator, however it is indented in the source. */
export function tell(text: string): void {
  const lines: string[] = [''];
  for (const word of text.split(/\s+/)) {
    const line = lines.at(-1)!;
    if (line === '') lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= columns) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  process.stdout.write(`\n${lines.join('\n')}\n`);
}
