/** Looks at the store of a device that no daemon serves, and says what is wrong with it. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { verifyImage } from '../../src/image/index.ts';
import { digestHex } from '../../src/lib/digest.ts';
import { dataDirectory, openStore, type WritableStore } from '../../src/store/index.ts';
import { describe, type Holding, type Operation } from './operation.ts';

/** All that is wrong with a store that should hold one of these; empty if nothing is. */
export async function judgeStore(root: string, operation: Operation, allowed: readonly Holding[]): Promise<readonly string[]> {
  const faults: string[] = [];
  const store = openStore(root, { journal: (_, message) => faults.push(message), now: Date.now() });
  try {
    faults.push(...faultsOfHolding(store, operation, allowed), ...(await faultsOfImages(store)), ...faultsOfDirectories(store), ...faultsOfData(operation, store));
  } finally {
    store.close();
  }
  return [...faults, ...faultsOfDatabase(root)];
}

function faultsOfHolding(store: WritableStore, operation: Operation, allowed: readonly Holding[]): readonly string[] {
  const held = holdingOf(store, operation);
  const floors = store.apps().filter(({ name }) => store.book.floor(name) !== held[name]![0]).map(({ name }) => `the floor of ${name} ${held[name]![0]} is ${store.book.floor(name)}`);
  const underWay = store.book.underWay().map(({ id, state }) => `update ${id} is ${state}`);
  const texts = allowed.map(describe);
  const wrong = texts.includes(describe(held)) ? [] : [`the device holds ${describe(held)}, not ${texts.join(' or ')}`];
  return [...wrong, ...floors, ...underWay];
}

function holdingOf(store: WritableStore, operation: Operation): Holding {
  const versionOf = (digest: Parameters<WritableStore['image']>[0]): string => store.image(digest)?.version ?? 'an image that the database does not name';
  const apps = store.apps().map(({ name, image }) => [name, [image, ...store.book.previous(name)].map(versionOf)] as const);
  const kept = namesIn(operation).filter((name) => store.keptData(name) !== undefined).map((name) => [name, []] as const);
  return Object.fromEntries([...apps, ...kept]);
}

async function faultsOfImages(store: WritableStore): Promise<readonly string[]> {
  const faults = await Promise.all(store.images().map(async ({ digest, package: name, version }) => {
    const { directory } = store.imagePaths(digest);
    const found = existsSync(directory) ? await verifyImage(directory, { digest, idBase: store.idRange(name) }) : ['its image is not there'];
    return found.map((fault) => `${name} ${version}: ${JSON.stringify(fault)}`);
  }));
  return faults.flat();
}

/** What the database does not name. */
function faultsOfDirectories(store: WritableStore): readonly string[] {
  const images = new Set(store.images().map(({ digest }) => digestHex(digest)));
  const named = new Set(store.apps().map(({ name, dataGeneration }) => `${name}/${dataGeneration}`));
  const list = (folder: string): readonly string[] => readdirSync(join(store.root, folder));
  const generations = list('data').flatMap((app) => {
    const kept = store.keptData(app);
    if (kept !== undefined) named.add(`${app}/${kept}`);
    const found = list(join('data', app)).map((generation) => `${app}/${generation}`);
    return found.length > 0 || store.app(app) !== undefined ? found : [app];
  });
  return [
    ...list('images').filter((name) => !images.has(name)).map((name) => `images/${name}`),
    ...generations.filter((path) => !named.has(path)).map((path) => `data/${path}`),
    ...list('staging').map((name) => `staging/${name}`),
  ].map((path) => `${path} is left over`);
}

/** Data that is not there, or does not belong to the version that is. */
export function faultsOfData(operation: Operation, store: WritableStore): readonly string[] {
  const generations = new Map(store.apps().map((app) => [app.name, { generation: app.dataGeneration, version: store.image(app.image)?.version }]));
  return namesIn(operation).flatMap((name) => {
    const paths = operation.packages.find((options) => options.name === name)?.annotations?.['data']?.split(',') ?? [];
    const kept = store.keptData(name);
    const { generation, version } = generations.get(name) ?? { generation: kept, version: undefined };
    if (generation === undefined) return [];
    return paths.flatMap((path) => {
      const directory = dataDirectory(store.dataPath(name, generation), path);
      if (!existsSync(directory)) return [`${path} of ${name} is not there (generation ${generation})`];
      return version === undefined ? [] : faultsOfFiles(operation, version, directory).map((fault) => `data of ${name} ${version}, generation ${generation}: ${fault}`);
    });
  });
}

function faultsOfFiles(operation: Operation, version: string, directory: string): readonly string[] {
  const { has = {}, lacks = [] } = operation.data?.(version) ?? {};
  const wrong = Object.entries(has).flatMap(([path, text]) => {
    if (!existsSync(join(directory, path))) return [`${path} is not there`];
    const found = readFileSync(join(directory, path), 'utf8');
    return found === text ? [] : [`${path} holds ${JSON.stringify(found.slice(0, 80))} (${found.length} characters), not ${JSON.stringify(text.slice(0, 80))} (${text.length})`];
  });
  return [...wrong, ...lacks.filter((path) => existsSync(join(directory, path))).map((path) => `${path} is there`)];
}

function faultsOfDatabase(root: string): readonly string[] {
  const aside = readdirSync(root).filter((name) => name.includes('corrupt')).map((name) => `${name} was put aside`);
  const database = new DatabaseSync(join(root, 'berth.db'), { readOnly: true });
  try {
    const rows = [...database.prepare('PRAGMA integrity_check').all(), ...database.prepare('PRAGMA foreign_key_check').all()];
    return [...aside, ...rows.filter((row) => row['integrity_check'] !== 'ok').map((row) => `database: ${JSON.stringify(row)}`)];
  } finally {
    database.close();
  }
}

function namesIn(operation: Operation): readonly string[] {
  return [...new Set(operation.packages.map(({ name }) => name))];
}
