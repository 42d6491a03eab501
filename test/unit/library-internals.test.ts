import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const src = join(import.meta.dirname, '../../src')
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))

/** By library: what its internals are called, and the one file that may name them. */
const reaches: Readonly<Record<string, { readonly names: RegExp; readonly file: string }>> = {
  'graphile-worker': {
    names: /\b_private_|get_job\b|_cron\b|graphile-worker\/dist|from 'graphile-worker\//,
    file: 'store/jobs/graphile-internals.ts',
  },
  node: { names: /\b_handle\b|\b_httpMessage\b|writeQueueSize|process\.binding/, file: 'platform/node-internals.ts' },
  'yahoo-finance2': { names: /from 'yahoo-finance2/, file: 'market/yahoo/calls/session.ts' },
  'graphql-yoga': { names: /\bprocessRegularResult\b/, file: 'http/pipeline/json-post.ts' },
  ws: { names: /\b_(?:socket|sender|receiver)\b|\bcloseTimeout\b/, file: 'http/websocket/endpoint.ts' },
  'prom-client': { names: /\bregisterMetric\b/, file: 'platform/histogram.ts' },
}

for (const [library, { names, file }] of Object.entries(reaches)) {
  test(`only src/${file} names internals of ${library}`, () => {
    const reaching = files.filter((path) => names.test(readFileSync(join(src, path), 'utf8')))
    assert.deepEqual(reaching, [file])
  })
}
