import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MarketState } from '../../../../../src/domain/instrument.ts'
import { isInSession } from '../../../../../src/market/yahoo/live/in-session.ts'
import { listingOf } from '../../../../support/candles/listing.ts'

const at = (code: string, marketState: MarketState, iso: string, delayMinutes: number | null = 0): boolean => {
  const timezone = { LSE: 'Europe/London', HKG: 'Asia/Hong_Kong', NSI: 'Asia/Kolkata' }[code] ?? 'America/New_York'
  const exchange = { code, name: null, timezone, delayMinutes }
  return isInSession(listingOf('A', { marketState }, { exchange }), Date.parse(iso))
}

test('a market that Yahoo calls open is silent without a fault on holidays, after an early close and at lunch', () => {
  assert.equal(at('NMS', 'REGULAR', '2026-11-25T15:00Z'), true)
  assert.equal(at('NMS', 'REGULAR', '2026-11-26T15:00Z'), false)
  assert.equal(at('NMS', 'REGULAR', '2026-11-27T17:59Z'), true)
  assert.equal(at('NMS', 'REGULAR', '2026-11-27T18:30Z'), false)
  assert.equal(at('LSE', 'REGULAR', '2025-12-24T13:00Z'), false)
  assert.equal(at('HKG', 'REGULAR', '2025-12-23T03:59Z'), true)
  assert.equal(at('HKG', 'REGULAR', '2025-12-23T04:30Z'), false)
  assert.equal(at('HKG', 'REGULAR', '2025-12-23T05:01Z'), true)
})

test('prices that come late are not expected before they can come', () => {
  assert.equal(at('LSE', 'REGULAR', '2025-12-23T08:10Z', 15), false)
  assert.equal(at('LSE', 'REGULAR', '2025-12-23T08:16Z', 15), true)
  assert.equal(at('LSE', 'REGULAR', '2025-12-23T16:40Z', 15), true)
})

test('an open market in a state that nobody knows is expected to speak; one that Yahoo calls closed is not', () => {
  assert.equal(at('NMS', 'UNKNOWN', '2026-11-25T15:00Z'), true)
  assert.equal(at('NMS', 'UNKNOWN', '2026-11-26T15:00Z'), false)
  assert.equal(at('NMS', 'CLOSED', '2026-11-25T15:00Z'), false)
  // Futures have a pause of an hour within what counts as their session.
  assert.equal(at('CMX', 'UNKNOWN', '2026-11-25T15:00Z'), false)
})

test('without a calendar Yahoo decides', () => {
  assert.equal(at('NSI', 'REGULAR', '2026-11-29T05:00Z'), true)
  assert.equal(at('NSI', 'UNKNOWN', '2026-11-30T05:00Z'), false)
  assert.equal(isInSession(listingOf('A', {}, { exchange: null }), 0), true)
})
