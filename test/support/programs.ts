import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../src/lib/process.ts';

/** Copies programs of this machine into a root file system, each at its own place with the libraries that it loads. */
export async function copyPrograms(rootfs: string, programs: readonly string[]): Promise<void> {
  for (const program of programs) {
    const libraries = (await output('ldd', [program])).split('\n').flatMap((line) => /(\/\S+) \(0x/.exec(line)?.[1] ?? []);
    for (const file of [program, ...libraries]) copy(rootfs, file);
  }
}

/** Lists the files of all modules that are loaded with these. */
const listing = `
import importlib, sys
for name in sys.argv[1:]: importlib.import_module(name)
for module in list(sys.modules.values()):
    if getattr(module, '__file__', None): print(module.__file__)
`;

/** Copies modules of Debian's Python into a root file system, with all that they import and its standard start. */
export async function copyPythonModules(rootfs: string, modules: readonly string[]): Promise<void> {
  if (modules.length === 0) return;
  const files = (await output('/usr/bin/python3', ['-c', listing, ...modules])).trim().split('\n');
  for (const file of files) copy(rootfs, file);
  await copyPrograms(rootfs, files.filter((file) => file.endsWith('.so')));
}

/** What is a link here is a file there. */
function copy(rootfs: string, file: string): void {
  const target = join(rootfs, file);
  mkdirSync(join(target, '..'), { recursive: true });
  if (!existsSync(target)) copyFileSync(file, target);
}

async function output(program: string, args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await run(program, args);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
  return stdout;
}
