import type { EventData } from 'node:test';
import type { TestEvent } from 'node:test/reporters';
import { relative } from 'node:path';
import { inspect } from 'node:util';

/** What is kept of the events until the end. */
interface Notes {
  readonly failures: EventData.TestFail[];
  /** Output of each file (by its short name), shown only if something in it failed. */
  readonly printed: Map<string, string>;
  /** How many tests were left out for each reason. */
  readonly skipped: Map<string, number>;
}

/**
 * A reporter for Node's test runner: a line for each file, then what failed in full with what its file printed, what
 * was left out and why, and closing lines in the words of TAP (`# pass 12`).
 */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const notes: Notes = { failures: [], printed: new Map(), skipped: new Map() };
  for await (const event of events) {
    if (event.type !== 'test:summary') note(notes, event);
    else if (event.data.file === undefined) yield* closing(notes, event.data);
    else yield fileLine(event.data.file, event.data);
  }
}

function note({ failures, printed, skipped }: Notes, { type, data }: TestEvent): void {
  if (type === 'test:stdout' || type === 'test:stderr') {
    const file = shortName(data.file);
    printed.set(file, (printed.get(file) ?? '') + data.message);
  } else if (type === 'test:pass' && data.skip !== undefined && data.skip !== false) {
    const reason = data.skip === true || data.skip === '' ? 'no reason given' : data.skip;
    skipped.set(reason, (skipped.get(reason) ?? 0) + 1);
  } else if (type === 'test:fail' && !isOnlySum(data)) {
    failures.push(data);
  }
}

/** True for a suite that fails because tests in it did: those have been told already. */
function isOnlySum(failure: EventData.TestFail): boolean {
  return (failure.details.error as { failureType?: string }).failureType === 'subtestsFailed';
}

function shortName(file: string): string {
  return relative(process.cwd(), file);
}

function indent(text: string): string {
  return text.trimEnd().replaceAll(/^(?=.)/gm, '  ');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function fileLine(file: string, { counts, duration_ms: durationMs, success }: EventData.TestSummary): string {
  const left = counts.skipped > 0 ? `, ${counts.skipped} left out` : '';
  return `${success ? 'ok  ' : 'FAIL'} ${shortName(file)}  ${counts.passed} passed${left}  ${seconds(durationMs)}\n`;
}

function* closing({ failures, printed, skipped }: Notes, { counts, duration_ms: durationMs }: EventData.TestSummary): Generator<string> {
  for (const failure of failures) {
    const where = `${shortName(failure.file ?? '')}:${failure.line ?? 0}`;
    const cause = failure.details.error.cause ?? failure.details.error;
    yield `\nfailed: ${failure.name}  (${where})\n${indent(inspect(cause))}\n`;
  }
  const failed = new Set(failures.map((failure) => shortName(failure.file ?? '')));
  for (const [file, text] of printed) {
    if (failed.has(file)) yield `\nprinted by ${file}:\n${indent(text)}\n`;
  }
  if (skipped.size > 0) yield '\nleft out:\n';
  for (const [reason, count] of skipped) yield `  ${count} × ${reason}\n`;
  const failedCount = counts.tests - counts.passed - counts.cancelled - counts.skipped - counts.todo;
  yield `\n# tests ${counts.tests}\n# pass ${counts.passed}\n# fail ${failedCount}\n# cancelled ${counts.cancelled}\n`;
  yield `# skipped ${counts.skipped}\n# todo ${counts.todo}\n# duration ${seconds(durationMs)}\n`;
}
