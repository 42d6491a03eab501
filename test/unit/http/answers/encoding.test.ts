import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acceptedEncoding, encode } from '../../../../src/http/answers/encoding.ts'

for (const [header, encoding] of [
  [undefined, 'identity'],
  ['', 'identity'],
  ['identity', 'identity'],
  ['deflate', 'identity'],
  ['zstd', 'zstd'],
  ['br', 'br'],
  ['gzip', 'gzip'],
  ['gzip, deflate, br, zstd', 'zstd'],
  ['gzip, deflate, br', 'br'],
  ['gzip,deflate', 'gzip'],
  ['GZIP', 'gzip'],
  ['x-gzip', 'gzip'],
  ['zstd;q=0, br;q=0.0, gzip;q=0.000', 'identity'],
  ['zstd;q=0, gzip', 'gzip'],
  ['zstd;q=0.5, br;q=0.8, gzip;q=0.7', 'br'],
  ['zstd;q=0.001, gzip;q=0', 'zstd'],
  ['gzip ; Q=0.9 , br;q=0.8', 'gzip'],
  ['*', 'zstd'],
  ['*;q=0', 'identity'],
  ['zstd;q=0, *', 'br'],
  ['gzip, *;q=0', 'gzip'],
  ['gzip;q=0.5, *;q=0.1', 'gzip'],
  ['gzip;q=0.5, identity', 'identity'],
  ['gzip;q=0.5, identity;q=0.5', 'gzip'],
  ['identity;q=0, gzip;q=0.1', 'gzip'],
  ['identity;q=0', 'identity'],
  ['identity;q=0, *;q=0', 'identity'],
  ['br;q=2, gzip', 'gzip'],
  ['zstd;q=, br;q=x, gzip;level=9', 'identity'],
  [',, ;, gzip', 'gzip'],
] as const) {
  test(`Accept-Encoding ${header === undefined ? 'missing' : `"${header}"`} is answered as ${encoding}`, () => {
    assert.equal(acceptedEncoding(header), encoding)
  })
}

test('what would hold up the event loop for milliseconds is compressed in a thread, and nothing shorter', () => {
  for (const encoding of ['zstd', 'br', 'gzip'] as const) {
    assert.ok(Buffer.isBuffer(encode(Buffer.alloc(256 * 1024, 'finstage'), encoding)))
    assert.ok(encode(Buffer.alloc(256 * 1024 + 1, 'finstage'), encoding) instanceof Promise)
  }
})

test('among encodings that a client weighs alike, the server prefers its own order', () => {
  assert.equal(acceptedEncoding('gzip, br, zstd', ['gzip', 'br']), 'gzip')
  assert.equal(acceptedEncoding('gzip;q=0.9, br', ['gzip', 'br']), 'br')
  assert.equal(acceptedEncoding('zstd', ['gzip', 'br']), 'identity')
})
