import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeExit, encodeFrames, FrameDecoder, frameStreams, maxFrameBytes } from './frames.ts';

test('frames come out as they went in, however the bytes are cut', () => {
  const frame = fc.record({ stream: fc.integer({ min: 0, max: 255 }), data: fc.uint8Array({ maxLength: 200 }) });
  fc.assert(
    fc.property(fc.array(frame), fc.array(fc.integer({ min: 1, max: 64 })), (frames, cuts) => {
      const bytes = Buffer.concat(frames.map(({ stream, data }) => encodeFrames(stream, data)));
      const decoder = new FrameDecoder();
      const seen = [];
      let offset = 0;
      for (const cut of [...cuts, bytes.length]) {
        seen.push(...decoder.push(bytes.subarray(offset, offset + cut)));
        offset += cut;
      }
      assert.deepEqual(seen.map(({ stream, data }) => [stream, data.toString('hex')]), frames.map(({ stream, data }) => [stream, Buffer.from(data).toString('hex')]));
    }),
  );
});

test('more data than a frame may carry goes into several', () => {
  const frames = new FrameDecoder().push(encodeFrames(1, Buffer.alloc(maxFrameBytes * 2 + 1)));
  assert.deepEqual(frames.map((frame) => frame.data.length), [maxFrameBytes, maxFrameBytes, 1]);
});

test('a frame that is too long is refused at its head', () => {
  assert.throws(() => new FrameDecoder().push(Buffer.from([0, 0, 1, 0, 1])), { code: 'usage', message: /65537 bytes/ });
});

test('an exit code is four bytes', () => {
  assert.deepEqual([...encodeExit(137)], [frameStreams.exit, 0, 0, 0, 4, 0, 0, 0, 137]);
});
