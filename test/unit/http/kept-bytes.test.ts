import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keptBytes } from '../../../src/http/kept-bytes.ts'

test('what is kept stays the text that it was, whatever is kept after it', () => {
  const texts = Array.from({ length: 2000 }, (_, i) => `${i}: ${'€'.repeat(i % 500)}`)
  const kept = texts.map(keptBytes)
  assert.deepEqual(kept.map(String), texts)
})

test('what is kept is in memory of its own kind, never in that which passing buffers share', () => {
  const passing = Buffer.from('passing')
  for (const text of ['short', 'long'.repeat(1000)]) assert.notEqual(keptBytes(text).buffer, passing.buffer)
})
