import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { asBerthError, isErrno } from '../lib/errors.ts';
import { describeIssue, parseYamlFile } from '../lib/yaml-file.ts';
import type { DeclaredDevice } from '../policy/index.ts';
import { brokenDeclaration, declarationOf, deviceEntry, type Declaration } from './declaration.ts';

/** All that the operator declared. */
export interface Declarations {
  /** In the order of their names. */
  readonly all: readonly Declaration[];
  /** What is wrong with the files, naming file and key. */
  readonly faults: readonly string[];
  /**
   * Something could not be read at all, and might have said that a device is the platform's own. Devices that no
   * declaration names one by one (those of a class) are then not lent.
   */
  readonly incomplete: boolean;
}

/** One file of `devices.d`. Its entries are judged one by one, so that a broken one disables only itself. */
const file = v.strictObject({ devices: v.array(v.unknown()) });

/** The declarations in all `*.yaml` of a directory; none if it is missing. Never throws: what is wrong is among the faults. */
export async function readDeclarations(directory: string): Promise<Declarations> {
  const all = new Map<string, Declaration>();
  const broken: Declaration[] = [];
  const faults: string[] = [];
  let incomplete = false;
  const disable = (entry: unknown, origin: string, fault: string): void => {
    faults.push(fault);
    const declaration = brokenDeclaration(entry, origin, fault);
    if (declaration === undefined) incomplete = true;
    else broken.push(declaration);
  };
  for (const path of await filesIn(directory, faults)) {
    const entries = await entriesOf(path, faults);
    if (entries === undefined) incomplete = true;
    for (const [index, entry] of (entries ?? []).entries()) {
      const result = v.safeParse(deviceEntry, entry);
      if (!result.success) disable(entry, path, `${path}: devices.${index}: ${describeIssue(result.issues[0])}`);
      else if (all.has(result.output.name)) disable(entry, path, `${path}: devices.${index}: name: ${result.output.name} is declared already, in ${all.get(result.output.name)!.origin}`);
      else all.set(result.output.name, declarationOf(result.output, path));
    }
  }
  return { all: [...all.values(), ...renamed(broken, all)].toSorted((a, b) => compareText(a.name, b.name)), faults, incomplete };
}

/** Broken declarations under names that no other has: a device is known by its name everywhere else. */
function renamed(broken: readonly Declaration[], others: ReadonlyMap<string, Declaration>): readonly Declaration[] {
  const taken = new Set(others.keys());
  return broken.map((declaration, index) => {
    const name = taken.has(declaration.name) ? `${declaration.name}#${index + 1}` : declaration.name;
    taken.add(name);
    return { ...declaration, name };
  });
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

async function filesIn(directory: string, faults: string[]): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).filter((name) => name.endsWith('.yaml')).toSorted().map((name) => join(directory, name));
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) faults.push(`the declarations of devices cannot be read: ${(error as Error).message}`);
    return [];
  }
}

async function entriesOf(path: string, faults: string[]): Promise<readonly unknown[] | undefined> {
  try {
    return (await parseYamlFile(file, await readFile(path, 'utf8'), path)).devices;
  } catch (error) {
    const { message } = asBerthError(error);
    faults.push(message.includes(path) ? message : `${path}: ${message}`);
    return undefined;
  }
}

/** The declarations as the policy needs them, to judge what apps ask for. */
export function declaredDevices({ all }: Declarations): readonly DeclaredDevice[] {
  return all.map(({ name, platform, place, fault }) => ({ name, platform, ...(fault === undefined ? {} : { fault }), ...(place.kind === 'class' ? { match: place.match } : { path: place.path }) }));
}
