import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { test } from 'node:test'
import { ClientAddresses, networksOf } from '../../../../src/http/access/client-address.ts'

const addressOf = (proxies: readonly string[], remoteAddress: string, forwardedFor?: string): string | undefined =>
  new ClientAddresses(proxies).of({
    socket: { remoteAddress },
    headers: forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor },
  } as unknown as IncomingMessage)

for (const [what, proxies, remote, forwardedFor, expected] of [
  ['nobody is trusted: the connection', [], '192.0.2.1', '203.0.113.9', '192.0.2.1'],
  ['another proxy is trusted: the connection', ['10.0.0.1'], '192.0.2.1', '203.0.113.9', '192.0.2.1'],
  ['a trusted proxy tells: what it tells', ['192.0.2.1'], '192.0.2.1', '203.0.113.9', '203.0.113.9'],
  ['a trusted proxy by IPv6 notation', ['192.0.2.0/24'], '::ffff:192.0.2.1', '203.0.113.9', '203.0.113.9'],
  [
    'a trusted network of IPv4, written as of IPv6',
    ['::ffff:192.0.2.0/120'],
    '192.0.2.1',
    '203.0.113.9',
    '203.0.113.9',
  ],
  ['an address beside a trusted network', ['192.0.2.0/31', 'fd00::/8'], '192.0.2.2', '203.0.113.9', '192.0.2.2'],
  ['a trusted network of IPv6', ['fd00::/8'], 'fd00::7', '2001:DB8:0::1', '2001:db8::1'],
  [
    'several trusted proxies: who came to the first',
    ['10.0.0.0/8'],
    '10.0.0.1',
    '203.0.113.9, 10.0.0.2',
    '203.0.113.9',
  ],
  ['what a client puts in itself is not believed', ['10.0.0.1'], '10.0.0.1', '127.0.0.1, 203.0.113.9', '203.0.113.9'],
  ['all are trusted: the farthest', ['10.0.0.0/8'], '10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
  ['a port is left out', ['10.0.0.1'], '10.0.0.1', '203.0.113.9:4711', '203.0.113.9'],
  ['a port of IPv6 is left out', ['10.0.0.1'], '10.0.0.1', '[2001:db8::1]:4711', '2001:db8::1'],
  ['nothing is told: the proxy', ['10.0.0.1'], '10.0.0.1', undefined, '10.0.0.1'],
  ['no address is told: the proxy', ['10.0.0.1'], '10.0.0.1', 'unknown', '10.0.0.1'],
  ['no address is told by the farthest: the last that is one', ['10.0.0.0/8'], '10.0.0.1', 'x, 10.0.0.2', '10.0.0.2'],
] as const) {
  test(`the address of a client where ${what}`, () => {
    assert.equal(addressOf(proxies, remote, forwardedFor), expected)
  })
}

for (const text of [
  '10',
  '010.0.0.1',
  '0x0a.0.0.1',
  '10.0.0.0/33',
  '10.0.0.0/8/8',
  '10.0.0.0/',
  'fd00::/129',
  'proxy',
  '',
]) {
  test(`${text || 'nothing'} is neither an address nor a network`, () => {
    assert.throws(() => networksOf([text]), /is neither an address nor a network/)
  })
}
