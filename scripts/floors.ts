/**
 * Holds the house in order (docs/architecture.md): a room imports only from floors below it, through the other room's
 * `index.ts`; rooms on one floor do not know each other, but for the order given here.
 */
import { readFileSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { dirname, join, normalize, relative } from 'node:path';

/** Floors from the ground up. Within a floor, a room may import those named before it if `ordered`. */
const floors: readonly { readonly rooms: readonly string[]; readonly ordered?: true }[] = [
  { rooms: ['lib'] },
  { rooms: ['trust', 'image', 'delta'], ordered: true },
  { rooms: ['store', 'runtime', 'policy', 'feed'] },
  { rooms: ['devices', 'lifecycle'], ordered: true },
  { rooms: ['update'] },
  { rooms: ['http', 'dbus'] },
  { rooms: ['cli', 'daemon', 'agent'] },
];
/** Stands beside the floors: what it may import, and who may import it. */
const annexes: Readonly<Record<string, { readonly imports: readonly string[]; readonly importedBy: readonly string[] }>> = {
  lwm2m: { imports: ['lib'], importedBy: ['agent'] },
};
/** Type-only imports that a floor may take from its own floor: the words of `runtime/` that `policy/` computes. */
const typeImports = new Set(['policy>runtime']);

const root = normalize(join(import.meta.dirname, '..', 'src'));
const faults: string[] = [];

function floorOf(room: string): number {
  return floors.findIndex((floor) => floor.rooms.includes(room));
}

function mayImport(from: string, to: string, typeOnly: boolean): boolean {
  if (from === to) return true;
  const annex = annexes[from];
  if (annex !== undefined) return annex.imports.includes(to);
  if (annexes[to] !== undefined) return annexes[to].importedBy.includes(from);
  const [a, b] = [floorOf(from), floorOf(to)];
  if (a !== b) return b < a;
  const floor = floors[a]!;
  if (floor.ordered === true) return floor.rooms.indexOf(to) < floor.rooms.indexOf(from);
  return typeOnly && typeImports.has(`${from}>${to}`);
}

for await (const file of glob('**/*.ts', { cwd: root })) {
  const [room] = file.split('/');
  if (room === undefined || (floorOf(room) < 0 && annexes[room] === undefined)) {
    faults.push(`src/${file}: not in a room of the house`);
    continue;
  }
  const text = readFileSync(join(root, file), 'utf8');
  for (const match of text.matchAll(/^(import|export)\s+(type\s)?[^'"]*?from\s+['"](\.[^'"]+)['"]|import\(['"](\.[^'"]+)['"]\)/gm)) {
    const specifier = match[3] ?? match[4]!;
    const target = relative(root, normalize(join(root, dirname(file), specifier)));
    if (target.startsWith('..')) {
      faults.push(`src/${file}: imports ${specifier}, outside src`);
      continue;
    }
    const targetRoom = target.split('/')[0]!;
    if (targetRoom === room) continue;
    if (!mayImport(room, targetRoom, match[2] !== undefined)) faults.push(`src/${file}: ${room}/ must not import ${targetRoom}/ (${specifier})`);
    else if (targetRoom !== 'lib' && !target.endsWith('/index.ts')) faults.push(`src/${file}: imports ${specifier}; other rooms are entered by their index.ts`);
  }
}

for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exit(1);
