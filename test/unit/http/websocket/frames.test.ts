import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { frameHeaderBytes, maxReusedFrame, ReusedFrame, writeFrame } from '../../../../src/http/websocket/frames.ts'

function freshFrame(first: Buffer, second: Buffer): Buffer {
  const payloadBytes = first.length + second.length
  const bytes = Buffer.alloc(frameHeaderBytes(payloadBytes) + payloadBytes)
  writeFrame(bytes, 0, first, second)
  return bytes
}

test('a frame in memory that is used again is what a new one would be, and what is kept does not change', () => {
  const firsts = ['a', 'b', 'cc', 'dd', 'e'.repeat(120), 'f'.repeat(125)].map((text) => Buffer.from(text))
  const seconds = ['', '1', '2', '3'.repeat(5), '4'.repeat(maxReusedFrame - 129)].map((text) => Buffer.from(text))
  const step = fc.record({
    first: fc.constantFrom(...firsts),
    second: fc.constantFrom(...seconds),
    keeps: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const frame = new ReusedFrame()
      const kept: { readonly bytes: Buffer; readonly expected: Buffer }[] = []
      for (const { first, second, keeps } of steps) {
        const bytes = frame.of(first, second)
        const expected = freshFrame(first, second)
        assert.deepEqual(bytes, expected)
        if (!keeps) continue
        frame.keep()
        kept.push({ bytes, expected })
      }
      for (const { bytes, expected } of kept) assert.deepEqual(bytes, expected)
    }),
  )
})
