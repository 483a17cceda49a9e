import { createInterface } from 'node:readline';
import * as v from 'valibot';
import { systemClock } from '../lib/clock.ts';
import { asBerthError } from '../lib/errors.ts';
import { copyPasses, type CopyAnswer } from './copy.ts';
import { TreeCopier } from './tree-copier.ts';

/** What the child is told, as its one argument. */
const jobSchema = v.strictObject({
  from: v.string(),
  to: v.string(),
  limits: v.strictObject({ bytes: v.number(), entries: v.number(), depth: v.number() }),
});

const passSchema = v.picklist(copyPasses);

/**
 * The child's side of `openCopy`: makes a pass for each line on standard input, which is the name of one, and answers
 * with a line of JSON. Ends with its input, in the middle of a pass too.
 */
export async function copyWorkerMain(argv: readonly string[]): Promise<void> {
  const copier = new TreeCopier(v.parse(jobSchema, JSON.parse(argv[0] ?? '')), systemClock);
  process.stdin.on('end', () => process.exit());
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await answer(copier, line))}\n`);
  }
}

async function answer(copier: TreeCopier, line: string): Promise<CopyAnswer> {
  try {
    return { report: await copier[v.parse(passSchema, line)]() };
  } catch (error) {
    return asBerthError(error).toBody();
  }
}
