import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ByteSlabs } from '../../../../src/http/sharing/byte-slabs.ts'

test('bytes stay the text that they were made of, whatever is made after them', () => {
  const slabs = new ByteSlabs(8192)
  const texts = Array.from({ length: 2000 }, (_, i) => `${i}: ${'€'.repeat(i % 500)}`)
  const bytes = texts.map((text) => slabs.bytesOf(text))
  assert.deepEqual(bytes.map(String), texts)
})

test('bytes keep no more than a slab alive, never the pool that passing buffers share', () => {
  const slabs = new ByteSlabs(4096)
  for (const text of ['short', 'long'.repeat(200), 'of its own'.repeat(1000)]) {
    assert.ok(slabs.bytesOf(text).buffer.byteLength <= Math.max(4096, text.length))
  }
})
