import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LiveConnections } from '../../../../src/http/connections/limits.ts'

const limits = (
  maxConnections: number,
  maxConnectionsPerAddress: number,
  options = { countsLoopback: false },
): LiveConnections => new LiveConnections({ maxConnections, maxConnectionsPerAddress }, options)

test('as many connections as are allowed in all, and one more when one has gone', () => {
  const open = limits(2, 10)
  const giveBack = open.take('192.0.2.1')
  open.take('192.0.2.2')
  assert.equal(open.full('192.0.2.3'), 'connections')
  assert.equal(open.count, 2)
  giveBack()
  assert.equal(open.full('192.0.2.3'), null)
  assert.equal(open.count, 1)
})

test('as many connections as are allowed from one address, whatever others have', () => {
  const open = limits(100, 2)
  const places = [open.take('192.0.2.1'), open.take('192.0.2.1'), open.take('192.0.2.2')]
  assert.equal(open.full('192.0.2.1'), 'connections_of_address')
  assert.equal(open.full('192.0.2.2'), null)
  for (const giveBack of places) giveBack()
  assert.equal(open.full('192.0.2.1'), null)
  assert.equal(open.count, 0)
})

for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', undefined]) {
  test(`${address ?? 'one that has no address any more'} counts in all only`, () => {
    const open = limits(3, 1)
    for (let i = 0; i < 3; i++) {
      assert.equal(open.full(address), null)
      open.take(address)
    }
    assert.equal(open.full(address), 'connections')
  })
}

test('where clients come by proxies, those of this machine have the limit of any other', () => {
  const open = limits(100, 1, { countsLoopback: true })
  open.take('127.0.0.1')
  assert.equal(open.full('127.0.0.1'), 'connections_of_address')
  assert.equal(open.full('192.0.2.1'), null)
})

const same = [
  ['an IPv4 address, also where it comes by IPv6', '192.0.2.1', '::ffff:192.0.2.1'],
  ['a network of 64 bits, whoever is in it', '2001:db8:0:1::1', '2001:db8:0:1:ffff:ffff:ffff:ffff'],
  ['the same, written with zeros left out', '2001:db8::1', '2001:db8:0:0:5::'],
  ['the same, with the zeros at its end', 'fe80::1%eth0', 'fe80::2'],
  ['a network that ends in an IPv4 address', '64:ff9b::192.0.2.1', '64:ff9b::c633:6401'],
] as const

for (const [what, one, other] of same) {
  test(`one address is ${what}`, () => {
    const open = limits(100, 1)
    open.take(one)
    assert.equal(open.full(other), 'connections_of_address')
  })
}

const different = [
  ['192.0.2.1', '192.0.2.2'],
  ['2001:db8:0:1::1', '2001:db8:0:2::1'],
  ['2001:db8:1::', '2001:db8::1'],
  ['::1:0:0:0:0', '::2:0:0:0:0'],
] as const

for (const [one, other] of different) {
  test(`${one} and ${other} are two`, () => {
    const open = limits(100, 1)
    open.take(one)
    assert.equal(open.full(other), null)
  })
}
