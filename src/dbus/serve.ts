import { introspectableContract, peerContract, propertiesContract, type Argument, type InterfaceContract } from './contract.ts';
import { CallError } from './errors.ts';
import { printNode } from './introspect.ts';
import { decodeBody, type ReceivedMessage } from './message.ts';
import { Variant, type Value } from './value.ts';

/** An interface with what is done for it: arguments come and results go in the order and types of the contract. */
export interface Served<C extends InterfaceContract = InterfaceContract> {
  readonly contract: C;
  readonly methods: { readonly [member in keyof C['methods']]: (...args: never[]) => readonly Value[] };
  readonly properties?: { readonly [property in keyof NonNullable<C['properties']>]: () => Value };
}

/** An object on the bus. Paths above it are objects, too, with nothing but the standard interfaces. */
export interface ServedObject {
  readonly path: string;
  readonly interfaces: readonly Served[];
}

/** What a call that succeeded answers. */
export interface Result {
  readonly signature: string;
  readonly body: readonly Value[];
}

/** Finds the method that a call names, checks its arguments against the contract, and calls it. */
export class Dispatcher {
  readonly #objects: readonly ServedObject[];
  readonly #id: string;

  /** `id`: 32 hexadecimal digits, for the interface Peer. */
  constructor(objects: readonly ServedObject[], id: string) {
    this.#objects = objects;
    this.#id = id;
  }

  /**
   * @throws CallError if there is no such method or the arguments are others
   * @throws ProtocolError if the body is not what its signature says
   * @throws what the method throws
   */
  call(message: ReceivedMessage): Result {
    const { path = '', interface: interfaceName, member = '', signature = '' } = message.fields;
    const object = this.#objects.find((candidate) => candidate.path === path);
    const interfaces = object?.interfaces ?? [];
    const children = childrenOf(path, this.#objects);
    if (object === undefined && children.length === 0) throw new CallError('UnknownObject', `there is no object ${path}; Berth's is /org/berth/App1`);
    const all = [...interfaces, ...this.#standard(interfaces, children)];
    const named = interfaceName === undefined ? all : all.filter(({ contract }) => contract.name === interfaceName);
    if (named.length === 0) throw new CallError('UnknownInterface', `${path} has no interface ${interfaceName}`);
    const served = named.find(({ contract }) => Object.hasOwn(contract.methods, member));
    if (served === undefined) throw new CallError('UnknownMethod', `${interfaceName ?? path} has no method ${member}`);
    const method = served.contract.methods[member]!;
    const wanted = signatureOf(method.in);
    if (signature !== wanted) throw new CallError('InvalidArgs', `${member} takes arguments of type "${wanted}", not "${signature}"`);
    const args = decodeBody(message) as never[];
    return { signature: signatureOf(method.out), body: served.methods[member]!(...args) };
  }

  #standard(interfaces: readonly Served[], children: readonly string[]): readonly Served[] {
    const peer: Served<typeof peerContract> = {
      contract: peerContract,
      // The id of the machine itself is none of an app's business.
      methods: { Ping: () => [], GetMachineId: () => [this.#id] },
    };
    const introspectable: Served<typeof introspectableContract> = {
      contract: introspectableContract,
      methods: { Introspect: () => [printNode([...interfaces, ...standard].map(({ contract }) => contract), children)] },
    };
    const standard: readonly Served[] = [peer, introspectable, serveProperties(interfaces)];
    return standard;
  }
}

function serveProperties(interfaces: readonly Served[]): Served<typeof propertiesContract> {
  const find = (interfaceName: string, property: string): Variant => {
    const served = interfaces.find(({ contract }) => (interfaceName === '' || contract.name === interfaceName) && Object.hasOwn(contract.properties ?? {}, property));
    if (served === undefined) throw new CallError('UnknownProperty', `there is no property ${property} of interface ${interfaceName || 'any name'}`);
    return propertyOf(served, property);
  };
  return {
    contract: propertiesContract,
    methods: {
      Get: (interfaceName: string, property: string) => [find(interfaceName, property)],
      GetAll: (interfaceName: string) => [
        interfaces
          .filter(({ contract }) => interfaceName === '' || contract.name === interfaceName)
          .flatMap((served) => Object.keys(served.contract.properties ?? {}).map((property) => [property, propertyOf(served, property)])),
      ],
      Set: (interfaceName: string, property: string) => {
        find(interfaceName, property);
        throw new CallError('PropertyReadOnly', `the property ${property} cannot be set`);
      },
    },
  };
}

function propertyOf({ contract, properties }: Served, property: string): Variant {
  return new Variant(contract.properties![property]!.type, properties![property]!());
}

/** The next parts of the paths below this one. */
function childrenOf(path: string, objects: readonly ServedObject[]): readonly string[] {
  const prefix = path === '/' ? path : `${path}/`;
  const below = objects.filter((object) => object.path.startsWith(prefix)).map((object) => object.path.slice(prefix.length).split('/')[0]!);
  return [...new Set(below)];
}

function signatureOf(args: readonly Argument[] = []): string {
  return args.map(({ type }) => type).join('');
}
