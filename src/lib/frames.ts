import { BerthError } from './errors.ts';

/**
 * The framing of one connection that carries several streams both ways (`berth exec`): one byte names the stream, four
 * bytes (big-endian) give the length of the data that follows.
 */
export interface Frame {
  readonly stream: number;
  readonly data: Buffer;
}

/** What the first byte says. The client sends `stdin` and `stdinEnd`; the daemon sends the others, `exit` or `error` last. */
export const frameStreams = {
  stdin: 0,
  stdout: 1,
  stderr: 2,
  /** No data: the command's input has ended. */
  stdinEnd: 3,
  /** Four bytes, big-endian: the exit code. */
  exit: 4,
  /** JSON `{"error":{…}}`: the command's end is not known. */
  error: 5,
} as const;

/** Most that one frame may carry; more data goes into more frames. */
export const maxFrameBytes = 64 * 1024;

const headerBytes = 5;

/** Data as frames, one after the other; a single empty frame for no data. */
export function encodeFrames(stream: number, data: Uint8Array): Buffer {
  const parts: Uint8Array[] = [];
  let offset = 0;
  do {
    const piece = data.subarray(offset, offset + maxFrameBytes);
    const header = Buffer.alloc(headerBytes);
    header.writeUInt8(stream, 0);
    header.writeUInt32BE(piece.length, 1);
    parts.push(header, piece);
    offset += piece.length;
  } while (offset < data.length);
  return Buffer.concat(parts);
}

/** The frame that carries an exit code. */
export function encodeExit(code: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeUInt32BE(code);
  return encodeFrames(frameStreams.exit, data);
}

/** Takes a connection's bytes apart; holds at most one frame that is not yet complete. */
export class FrameDecoder {
  #rest: Buffer = Buffer.alloc(0);

  /** The frames that these bytes complete. @throws BerthError `usage` for a frame longer than {@link maxFrameBytes}. */
  push(chunk: Buffer): Frame[] {
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Frame[] = [];
    while (rest.length >= headerBytes) {
      const length = rest.readUInt32BE(1);
      if (length > maxFrameBytes) throw new BerthError('usage', `frame of ${length} bytes: at most ${maxFrameBytes} are allowed`);
      if (rest.length < headerBytes + length) break;
      frames.push({ stream: rest.readUInt8(0), data: rest.subarray(headerBytes, headerBytes + length) });
      rest = rest.subarray(headerBytes + length);
    }
    this.#rest = rest;
    return frames;
  }
}
