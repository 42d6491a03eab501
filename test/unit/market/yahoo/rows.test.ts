import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Nonsense } from '../../../../src/market/quarantine.ts'
import { readChart } from '../../../../src/market/yahoo/chart.ts'
import { adjustedCloseOf, inOrder, type Row, volumeOf } from '../../../../src/market/yahoo/rows.ts'

const open = Date.UTC(2025, 2, 12, 13, 30) / 1000
const nextOpen = open + 86_400

type Prices = Partial<Record<'open' | 'high' | 'low' | 'close' | 'volume', unknown>> & { time?: unknown }

const flat = (price: unknown, more: Prices = {}): Prices => ({
  open: price,
  high: price,
  low: price,
  close: price,
  volume: 10,
  ...more,
})

/** Rows a minute (or a day) apart, unless they say otherwise: what became of them, by their place. */
function judge(rows: readonly Prices[], { interval = 'MINUTE_1', instrumentType = 'EQUITY' } = {}) {
  const step = interval === 'DAY_1' ? 86_400 : 60
  const times = rows.map((row, i) => ('time' in row ? row.time : open + i * step))
  const column = (name: keyof Prices) => rows.map((row) => row[name])
  const quote = Object.fromEntries((['open', 'high', 'low', 'close', 'volume'] as const).map((n) => [n, column(n)]))
  const meta = { exchangeTimezoneName: 'America/New_York', instrumentType }
  const body = { chart: { result: [{ meta, timestamp: times, indicators: { quote: [quote] } }] } }
  const reasons: Nonsense[] = []
  const query = {
    symbol: 'TEST',
    interval: interval === 'DAY_1' ? ('DAY_1' as const) : ('MINUTE_1' as const),
    extendedHours: false,
    from: 0,
    to: 1e10,
  }
  const batch = readChart(body, query, (open + 40 * 86_400) * 1000, (reason) => reasons.push(reason))
  return { ...batch, reasons, closes: batch.candles.map(({ close }) => close) }
}

test('a price that is null, missing, no number or not finite is no price', () => {
  for (const bad of [null, undefined, Number.NaN, Number.POSITIVE_INFINITY, '5', {}, true]) {
    for (const name of ['open', 'high', 'low', 'close'] as const) {
      const { closes, reasons, excluded } = judge([flat(5), flat(5, { [name]: bad }), flat(6)])
      assert.deepEqual(closes, [5, 6])
      assert.deepEqual(reasons, ['no price'], `${name} ${String(bad)}`)
      assert.deepEqual(excluded, [open + 60])
    }
  }
})

test('a high below its low is told as such', () => {
  const { closes, reasons, excluded } = judge([flat(5), flat(5, { high: 4 }), flat(6)])
  assert.deepEqual([closes, reasons, excluded], [[5, 6], ['high below low'], [open + 60]])
})

test('a price of nothing or less is none, except of a future', () => {
  for (const bad of [0, -5]) {
    for (const name of ['open', 'low', 'close'] as const) {
      const rows = [flat(5), flat(5, { [name]: bad }), flat(6)]
      assert.deepEqual(judge(rows).reasons, ['negative price'], `${name} ${bad}`)
      assert.deepEqual(judge(rows).closes, [5, 6])
    }
    const future = judge([flat(1), flat(bad), flat(1)], { instrumentType: 'FUTURE' })
    assert.deepEqual([future.closes, future.reasons], [[1, bad, 1], []])
  }
})

test('a price ten times the last one, or a tenth of it, is a jump; one just short of that is not', () => {
  for (const bad of [50, 500, 0.5, 0.01]) {
    for (const name of ['open', 'high', 'low', 'close'] as const) {
      const [high, low] = [Math.max(5, bad), Math.min(5, bad)]
      const row = flat(5, name === 'high' ? { high } : name === 'low' ? { low } : { high, low, [name]: bad })
      if ((name === 'high' && bad < 5) || (name === 'low' && bad > 5)) continue
      const { closes, reasons, excluded } = judge([flat(5), row, flat(6)])
      assert.deepEqual([closes, reasons, excluded], [[5, 6], ['price jump'], [open + 60]], `${name} ${bad}`)
    }
  }
  assert.deepEqual(judge([flat(5), flat(49.9), flat(5)]).reasons, [])
})

test('a jump is believed from the third row in a row that agrees, all three of them', () => {
  const twice = judge([flat(5), flat(500), flat(510), flat(5)])
  assert.deepEqual([twice.closes, twice.reasons.length], [[5, 5], 2])
  const thrice = judge([flat(5), flat(500), flat(510), flat(505)])
  assert.deepEqual([thrice.closes, thrice.reasons], [[5, 500, 510, 505], []])
  const apart = judge([flat(5), flat(500), flat(50_000), flat(500), flat(5)])
  assert.deepEqual([apart.closes, apart.reasons.length], [[5, 5], 3])
})

test('prices of different sessions are not compared, and every day is a session of its own', () => {
  const overnight = judge([flat(5, { time: open }), flat(500, { time: nextOpen }), flat(501, { time: nextOpen + 60 })])
  assert.deepEqual([overnight.closes, overnight.reasons], [[5, 500, 501], []])
  const days = judge([flat(5), flat(500), flat(4)], { interval: 'DAY_1' })
  assert.deepEqual([days.closes, days.reasons], [[5, 500, 4], []])
})

test('no trades are a volume of zero; less than none, and what is no number, is no volume', () => {
  const volumes = [0, 7, -1, null, 'x', Number.NaN].map((volume) => volumeOf(rowAt(0, { volume })))
  assert.deepEqual(volumes, [0, 7, null, null, null, null])
  const { candles, reasons } = judge([flat(5, { volume: 0 }), flat(5, { volume: -1 })])
  assert.deepEqual(
    candles.map(({ volume }) => volume),
    [0, null],
  )
  assert.deepEqual(reasons, [])
})

test('an adjusted close that is no number is null', () => {
  const found = [1.5, null, 'x', Number.NaN].map((adjustedClose) => adjustedCloseOf(rowAt(0, { adjustedClose })))
  assert.deepEqual(found, [1.5, null, null, null])
})

test('a row that goes back in time is left out and told, and those around it stay', () => {
  const rows = [0, 60, 120, 30, 180].map((after) => flat(5, { time: open + after }))
  const { candles, reasons, excluded } = judge(rows)
  assert.deepEqual(
    candles.map(({ epoch }) => epoch - open),
    [0, 60, 120, 180],
  )
  // The minute in which it lies has a candle.
  assert.deepEqual([reasons, excluded], [['time backwards'], []])
})

test('one time far ahead is left out alone: what follows it does not go back in time', () => {
  for (const ahead of [9e9, open + 86_400, open + 600]) {
    const rows = [0, 60, ahead - open, 180, 240].map((after) => flat(5, { time: open + after }))
    const { candles, reasons } = judge(rows)
    assert.deepEqual(
      candles.map(({ epoch }) => epoch - open),
      [0, 60, 180, 240],
      String(ahead),
    )
    assert.deepEqual(reasons, ['time backwards'])
  }
})

test('times that are none take no other row with them', () => {
  for (const time of [null, undefined, 'x', Number.NaN, 1e300, -1e300, open + 60.5]) {
    for (const interval of ['MINUTE_1', 'DAY_1']) {
      assert.deepEqual(judge([flat(5), flat(6, { time }), flat(7)], { interval }).closes, [5, 7], String(time))
    }
  }
})

test('as few rows as possible are left out for their order, whatever it is, and what is in order stays as it is', () => {
  // A congruential generator: the same orders in every run.
  let seed = 7
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((seed / 2_147_483_648) * below)
  }
  for (let i = 0; i < 300; i++) {
    const times = Array.from({ length: 1 + random(9) }, () => random(9))
    const left: number[] = []
    const kept = inOrder(
      times.map((time) => rowAt(time)),
      ({ epoch }) => left.push(epoch),
    ).map(({ epoch }) => epoch)
    assert.deepEqual(
      [...kept].sort((a, b) => a - b),
      kept,
    )
    assert.equal(kept.length, longestRun(times), times.join())
    const ascending = (a: number, b: number): number => a - b
    assert.deepEqual([...kept, ...left].sort(ascending), times.toSorted(ascending))
  }
})

test('20,000 rows in the reverse order cost no more than a moment', () => {
  const rows = Array.from({ length: 20_000 }, (_, i) => rowAt(-i))
  const before = performance.now()
  assert.equal(inOrder(rows, () => {}).length, 1)
  assert.ok(performance.now() - before < 500)
})

test('one bad row, wherever it is, never removes a good one', () => {
  const bad: Prices[] = [
    flat(null),
    flat(-1),
    flat(0),
    flat(5, { high: 1 }),
    flat(5000),
    flat(0.001),
    flat(5, { time: 9e9 }),
    flat(5, { time: 0 }),
    flat(5, { time: null }),
    flat(5, { time: 1e300 }),
  ]
  const good = [5, 5.5, 6, 5.25, 5.75]
  // A session that begins with a jump has nothing to compare it with: the place before the first row is left out.
  for (const interval of ['MINUTE_1', 'DAY_1']) {
    for (let place = 1; place <= good.length; place++) {
      for (const row of bad) {
        const rows = good.map((price) => flat(price))
        const { closes } = judge([...rows.slice(0, place), row, ...rows.slice(place)], { interval })
        assert.deepEqual(
          good.filter((price) => !closes.includes(price)),
          [],
          `${interval} ${JSON.stringify(row)} at ${place}`,
        )
      }
    }
  }
})

function rowAt(epoch: number, over: Partial<Row> = {}): Row {
  return { epoch, open: 1, high: 1, low: 1, close: 1, volume: 1, adjustedClose: 1, ...over }
}

/** By trying all. */
function longestRun(times: readonly number[], from = 0, least = Number.NEGATIVE_INFINITY): number {
  const time = times[from]
  if (time === undefined) return 0
  const without = longestRun(times, from + 1, least)
  return time < least ? without : Math.max(without, 1 + longestRun(times, from + 1, time))
}
