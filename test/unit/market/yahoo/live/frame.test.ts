import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pricingMessage, readFrame } from '../../../../../src/market/yahoo/live/frame.ts'

/** The wire form by hand, so that no library vouches for itself: https://protobuf.dev/programming-guides/encoding/ */
const varint = (value: bigint): number[] =>
  value < 128n ? [Number(value)] : [Number(value & 127n) | 128, ...varint(value >> 7n)]
const tag = (id: number, wireType: number): number[] => varint(BigInt((id << 3) | wireType))
const text = (id: number, value: string): number[] => [...tag(id, 2), value.length, ...Buffer.from(value)]
const int = (id: number, value: number): number[] => [...tag(id, 0), ...varint(BigInt(value))]
const sint = (id: number, value: number): number[] => [
  ...tag(id, 0),
  ...varint(value < 0 ? BigInt(value) * -2n - 1n : BigInt(value) * 2n),
]
const float = (id: number, value: number): number[] => [...tag(id, 5), ...new Uint8Array(Float32Array.of(value).buffer)]
const double = (id: number, value: number): number[] => [
  ...tag(id, 1),
  ...new Uint8Array(Float64Array.of(value).buffer),
]

const messageOf = (bytes: readonly number[]): string => Buffer.from(bytes).toString('base64')
const frameOf = (...fields: readonly number[][]) =>
  readFrame(JSON.stringify({ type: 'pricing', message: messageOf(fields.flat()) }))

test('every field is read from its number on the wire, in its type', () => {
  const read = frameOf(
    text(1, 'AAPL'),
    float(2, 210.51),
    sint(3, 1_741_791_600_123),
    text(4, 'USD'),
    text(5, 'NMS'),
    int(6, 8),
    int(7, 1),
    float(8, 0.25),
    sint(9, 59_712_028_672),
    float(10, 212.5),
    float(11, 209.25),
    float(12, -1.5),
    text(13, 'Apple Inc.'),
    float(15, 211.75),
    float(16, 212),
    sint(22, 100),
    float(23, 210.5),
    sint(24, 3),
    float(25, 210.75),
    sint(26, 4),
    sint(27, 2),
    sint(28, 7),
    double(33, 3_162_000_000_001.5),
  )
  assert.deepEqual(read, {
    symbol: 'AAPL',
    price: Math.fround(210.51),
    timeMs: 1_741_791_600_123,
    quoteType: 8,
    marketHours: 1,
    changePercent: 0.25,
    dayVolume: 59_712_028_672,
    dayHigh: 212.5,
    dayLow: 209.25,
    change: -1.5,
    openPrice: 211.75,
    previousClose: 212,
    lastSize: 100,
    bid: 210.5,
    bidSize: 3,
    ask: 210.75,
    askSize: 4,
    priceHint: 2,
    vol24hr: 7,
    marketCap: 3_162_000_000_001.5,
  })
})

test('a field that was not on the wire is absent, and one that was there as 0 is 0', () => {
  assert.deepEqual(frameOf(text(1, 'A'), float(2, 1)), { symbol: 'A', price: 1 })
  const zeros = frameOf(text(1, 'A'), float(2, 1), int(7, 0), float(12, 0), sint(9, 0))
  assert.deepEqual(zeros, { symbol: 'A', price: 1, marketHours: 0, change: 0, dayVolume: 0 })
})

test('every field of the descriptor knows whether it was on the wire', () => {
  assert.equal(pricingMessage.fieldsArray.length, 23)
  for (const field of pricingMessage.fieldsArray) assert.ok(field.hasPresence, field.name)
})

test('fields that are not known, repeated, or of another wire type cost nothing', () => {
  const fields = [float(2, 3), text(1, 'A'), text(99, 'x'), double(98, 1), float(2, 4), sint(10, 5), float(1, 2)]
  assert.deepEqual(frameOf(...fields), { symbol: 'A', price: 4 })
})

test('a field that is no usable number is left out, and the price kept', () => {
  const bad = [float(23, Number.NaN), float(25, Number.POSITIVE_INFINITY), sint(9, -5), sint(27, 400)]
  assert.deepEqual(frameOf(text(1, 'A'), float(2, 1), ...bad, sint(27, -2)), { symbol: 'A', price: 1 })
})

test('a negative price is read: futures have had it', () => {
  assert.deepEqual(frameOf(text(1, 'CL=F'), float(2, -37.5)), { symbol: 'CL=F', price: -37.5 })
})

const good = messageOf([...text(1, 'A'), ...float(2, 1)])
const bad: readonly [string, string, string][] = [
  ['not JSON', 'pricing', 'unreadable'],
  ['an empty text', '', 'unreadable'],
  ['base64 alone, as version 1 sent it', good, 'unreadable'],
  ['null', 'null', 'unreadable'],
  ['a list', '[]', 'unreadable'],
  ['no type', JSON.stringify({ message: good }), 'unreadable'],
  ['another type', JSON.stringify({ type: 'error', message: good }), 'not pricing'],
  ['no message', JSON.stringify({ type: 'pricing' }), 'unreadable'],
  ['a message that is no text', JSON.stringify({ type: 'pricing', message: { a: 1 } }), 'unreadable'],
  ['a message that is not base64', JSON.stringify({ type: 'pricing', message: `*${good}` }), 'unreadable'],
  ['an empty message', JSON.stringify({ type: 'pricing', message: '' }), 'unreadable'],
  ['not protobuf', JSON.stringify({ type: 'pricing', message: messageOf([255, 255, 255]) }), 'unreadable'],
  ['cut short', JSON.stringify({ type: 'pricing', message: messageOf([...text(1, 'A'), 21, 1]) }), 'unreadable'],
  ['no symbol', JSON.stringify({ type: 'pricing', message: messageOf(float(2, 1)) }), 'unknown symbol'],
  [
    'an empty symbol',
    JSON.stringify({ type: 'pricing', message: messageOf([10, 0, ...float(2, 1)]) }),
    'unknown symbol',
  ],
]

for (const [name, message, reason] of bad) {
  test(`${name}: dropped as '${reason}'`, () => assert.equal(readFrame(message), reason))
}

for (const price of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, null]) {
  test(`a frame whose price is ${price ?? 'missing'} is dropped as 'not a price'`, () => {
    assert.equal(frameOf(text(1, 'A'), price === null ? [] : float(2, price)), 'not a price')
  })
}
