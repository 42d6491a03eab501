import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { parse, validate } from 'graphql'
import { exampleOperations } from '../../../../src/http/server/example-operations.ts'
import { GraphiQLPage } from '../../../../src/http/server/graphiql.ts'
import { schema } from '../../../../src/schema/index.ts'

const requestOf = (request: { method?: string; url?: string; headers?: Record<string, string> }) =>
  ({ method: 'GET', url: '/graphql', headers: {}, ...request }) as unknown as IncomingMessage

interface Served {
  readonly status: number
  readonly headers: Readonly<Record<string, string | number>>
  readonly body: Buffer
}

const page = new GraphiQLPage()

async function serve(acceptEncoding?: string): Promise<Served> {
  let status = 0
  let headers: Served['headers'] = {}
  let body: Buffer = Buffer.alloc(0)
  const response = {
    writeHead(code: number, fields: Served['headers']) {
      status = code
      headers = fields
      return response
    },
    end(chunk: Buffer) {
      body = chunk
    },
  } as unknown as ServerResponse
  await page.serve(
    requestOf({ headers: acceptEncoding === undefined ? {} : { 'accept-encoding': acceptEncoding } }),
    response,
  )
  return { status, headers, body }
}

const html = (await serve()).body.toString()

for (const [acceptEncoding, encoding] of [
  ['gzip, deflate, br, zstd', 'br'],
  ['br', 'br'],
  ['gzip, deflate', 'gzip'],
  ['deflate', undefined],
  ['identity', undefined],
  ['', undefined],
  [undefined, undefined],
  ['br;q=0, gzip', 'gzip'],
  ['gzip;q=0', undefined],
] as const) {
  test(`to ${acceptEncoding ?? 'no'} accept-encoding the page comes ${encoding ?? 'plain'}`, async () => {
    const { status, headers, body } = await serve(acceptEncoding)
    assert.equal(status, 200)
    assert.equal(headers['content-type'], 'text/html; charset=utf-8')
    assert.equal(headers['content-encoding'], encoding)
    assert.equal(headers['content-length'], body.length)
    assert.match(String(headers.vary), /accept-encoding/)
    const plain = encoding === 'br' ? brotliDecompressSync(body) : encoding === 'gzip' ? gunzipSync(body) : body
    assert.ok(plain.toString() === html)
  })
}

test('compressed, the page is less than a third of its size, and it is compressed once', async () => {
  for (const encoding of ['br', 'gzip']) {
    const { body } = await serve(encoding)
    assert.ok(body.length < html.length / 3, `${body.length} of ${html.length}`)
    assert.equal((await serve(encoding)).body, body)
  }
})

test('a browser that has the page is told that it has not changed', async () => {
  const { headers } = await serve('br')
  const statuses: number[] = []
  const response = { writeHead: (code: number) => ({ end: () => statuses.push(code) }) } as unknown as ServerResponse
  await page.serve(requestOf({ headers: { 'accept-encoding': 'br', 'if-none-match': String(headers.etag) } }), response)
  assert.deepEqual(statuses, [304])
})

test('the page names no other host to load from', () => {
  assert.match(html, /<title>Finstage<\/title>/)
  const loaded = html.match(/<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["']?(?:https?:)?\/\/[^>]*>/gi) ?? []
  assert.deepEqual(loaded, [])
})

test('a browser that asks for a page gets it, everything else is an operation', () => {
  const browser = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' }
  assert.equal(GraphiQLPage.isWanted(requestOf({ headers: browser })), true)
  assert.equal(GraphiQLPage.isWanted(requestOf({ headers: browser, url: '/graphql?from=docs' })), true)
  for (const request of [
    {},
    { headers: { accept: 'application/json' } },
    { headers: { accept: '*/*' } },
    { headers: browser, method: 'POST' },
    { headers: browser, url: '/graphql?query=%7B__typename%7D' },
  ]) {
    assert.equal(GraphiQLPage.isWanted(requestOf(request)), false, JSON.stringify(request))
  }
})

test('every example operation is valid and fits into the editor, and the page opens with them', () => {
  assert.deepEqual(
    exampleOperations.split('\n').filter((line) => line.length > 58),
    [],
  )
  const document = parse(exampleOperations)
  assert.deepEqual(validate(schema, document), [])
  const names = document.definitions.map((definition) => 'name' in definition && definition.name?.value)
  assert.deepEqual(names, [...new Set(names)])
  for (const type of ['query', 'mutation', 'subscription']) {
    assert.ok(document.definitions.some((definition) => 'operation' in definition && definition.operation === type))
  }
  for (const name of names) assert.ok(html.includes(`${name}`), `${name}`)
  assert.ok(html.includes('Welcome to Finstage'))
})
