import { ProtocolError } from './errors.ts';
import { maxHeaderBytes, maxMessageBytes } from './limits.ts';
import { isBusName, isInterfaceName, isMemberName } from './names.ts';
import { Reader } from './reader.ts';
import { parseSignature, type Type } from './signature.ts';
import { Variant, type Value } from './value.ts';
import { Writer } from './writer.ts';

/** D-Bus specification, "Message Format". */
const messageTypes = { call: 1, return: 2, error: 3, signal: 4 } as const;

export type MessageType = keyof typeof messageTypes;

/** Flag of a call whose sender waits for no answer. */
export const noReplyExpected = 0x1;

const protocolVersion = 1;
/** Up to where the length of a message is known: fixed fields, and the length of the array of header fields. */
export const prefixBytes = 16;

/** Header fields by their name here: code, type, and what the text must be. */
const fieldTable = {
  path: { code: 1, type: 'o' },
  interface: { code: 2, type: 's', check: isInterfaceName },
  member: { code: 3, type: 's', check: isMemberName },
  errorName: { code: 4, type: 's', check: isInterfaceName },
  replySerial: { code: 5, type: 'u' },
  destination: { code: 6, type: 's', check: isBusName },
  sender: { code: 7, type: 's', check: isBusName },
  signature: { code: 8, type: 'g' },
  fileDescriptors: { code: 9, type: 'u' },
} as const;

type FieldName = keyof typeof fieldTable;
type FieldType<N extends FieldName> = (typeof fieldTable)[N]['type'] extends 'u' ? number : string;

export type Fields = { readonly [N in FieldName]?: FieldType<N> };

const requiredFields: Readonly<Record<MessageType, readonly FieldName[]>> = {
  call: ['path', 'member'],
  return: ['replySerial'],
  error: ['errorName', 'replySerial'],
  signal: ['path', 'interface', 'member'],
};

const [fieldsType] = parseSignature('a(yv)') as readonly [Type];

/** A message as it came: its header was checked, its body was not looked at. */
export interface ReceivedMessage {
  /** `unknown`: of a type that this version of the protocol does not have; such are passed over. */
  readonly type: MessageType | 'unknown';
  readonly flags: number;
  readonly serial: number;
  readonly fields: Fields;
  readonly body: Uint8Array;
  readonly littleEndian: boolean;
}

/** The size of the message that begins with this prefix, in bytes. @throws ProtocolError if it is none, or too large */
export function messageSize(prefix: Uint8Array): number {
  const littleEndian = isLittleEndian(prefix[0]);
  if (prefix[3] !== protocolVersion) throw new ProtocolError(`version ${prefix[3]} of the protocol`);
  const view = new DataView(prefix.buffer, prefix.byteOffset, prefixBytes);
  const fieldBytes = view.getUint32(12, littleEndian);
  if (fieldBytes > maxHeaderBytes) throw new ProtocolError(`${fieldBytes} bytes of header fields`);
  const size = padded(prefixBytes + fieldBytes) + view.getUint32(4, littleEndian);
  if (size > maxMessageBytes) throw new ProtocolError(`a message of ${size} bytes`);
  return size;
}

/** Reads a whole message. @throws ProtocolError */
export function decodeMessage(bytes: Uint8Array): ReceivedMessage {
  const littleEndian = isLittleEndian(bytes[0]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const code = view.getUint8(1);
  if (code === 0) throw new ProtocolError('a message of type 0');
  const serial = view.getUint32(8, littleEndian);
  if (serial === 0) throw new ProtocolError('a message without a serial number');
  const reader = new Reader(bytes, littleEndian, prefixBytes - 4);
  const fields = fieldsOf(reader.read(fieldsType) as readonly (readonly [number, Variant])[]);
  reader.align(8);
  const body = bytes.subarray(reader.offset);
  if (fields.signature === undefined && body.length > 0) throw new ProtocolError('a body without a signature');
  const type = (Object.keys(messageTypes) as MessageType[]).find((name) => messageTypes[name] === code) ?? 'unknown';
  const missing = type === 'unknown' ? undefined : requiredFields[type].find((name) => fields[name] === undefined);
  if (missing !== undefined) throw new ProtocolError(`a ${type} without ${missing}`);
  return { type, flags: view.getUint8(2), serial, fields, body, littleEndian };
}

/** The values of a message's body. @throws ProtocolError */
export function decodeBody({ fields, body, littleEndian }: ReceivedMessage): readonly Value[] {
  const reader = new Reader(body, littleEndian);
  const values = reader.readAll(parseSignature(fields.signature ?? ''));
  if (reader.offset !== body.length) throw new ProtocolError('a body goes on after its last value');
  return values;
}

export interface OutgoingMessage {
  readonly type: MessageType;
  readonly flags?: number;
  readonly serial: number;
  readonly fields: Omit<Fields, 'signature'>;
  /** Of the values of the body. */
  readonly signature: string;
  readonly body: readonly Value[];
}

/** Writes a message, in little endian unless told otherwise. */
export function encodeMessage({ type, flags = 0, serial, fields, signature, body }: OutgoingMessage, littleEndian = true): Buffer {
  const content = new Writer(littleEndian);
  content.writeAll(parseSignature(signature), body);
  const all: Fields = signature === '' ? fields : { ...fields, signature };
  const writer = new Writer(littleEndian);
  const fixed = [(littleEndian ? 'l' : 'B').charCodeAt(0), messageTypes[type], flags, protocolVersion, content.size, serial];
  writer.writeAll(parseSignature('yyyyuu'), fixed);
  writer.write(fieldsType, (Object.keys(all) as FieldName[]).map((name) => [fieldTable[name].code, new Variant(fieldTable[name].type, all[name]!)]));
  writer.align(8);
  return Buffer.concat([writer.bytes(), content.bytes()]);
}

/** Fields that are not known are passed over, as the specification says. */
function fieldsOf(pairs: readonly (readonly [number, Variant])[]): Fields {
  const fields: Partial<Record<FieldName, string | number>> = {};
  for (const [code, { signature, value }] of pairs) {
    const name = (Object.keys(fieldTable) as FieldName[]).find((known) => fieldTable[known].code === code);
    if (code === 0) throw new ProtocolError('a header field of code 0');
    if (name === undefined) continue;
    const { type, check } = { check: undefined, ...fieldTable[name] };
    if (signature !== type || fields[name] !== undefined || check?.(value as string) === false) throw new ProtocolError(`the header field ${name} is wrong`);
    fields[name] = value as string | number;
  }
  if ((fields.fileDescriptors ?? 0) !== 0) throw new ProtocolError('file descriptors, which were not agreed on');
  return fields as Fields;
}

function isLittleEndian(mark: number | undefined): boolean {
  if (mark === 0x6c) return true;
  if (mark === 0x42) return false;
  throw new ProtocolError('not a D-Bus message');
}

function padded(size: number): number {
  return Math.ceil(size / 8) * 8;
}
