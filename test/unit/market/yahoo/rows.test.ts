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
function judge(
  rows: readonly Prices[],
  {
    interval = 'MINUTE_1',
    instrumentType = 'EQUITY',
    closeBefore = null as number | null,
    /** The current price, and the place of the row of whose time it is. */
    current = [null, 0] as readonly [price: number | null, at: number],
  } = {},
) {
  const step = interval === 'DAY_1' ? 86_400 : 60
  const times = rows.map((row, i) => ('time' in row ? row.time : open + i * step))
  const column = (name: keyof Prices) => rows.map((row) => row[name])
  const quote = Object.fromEntries((['open', 'high', 'low', 'close', 'volume'] as const).map((n) => [n, column(n)]))
  const meta = {
    ...{ exchangeTimezoneName: 'America/New_York', instrumentType, chartPreviousClose: closeBefore },
    ...{ regularMarketPrice: current[0], regularMarketTime: times[current[1]] },
  }
  const body = { chart: { result: [{ meta, timestamp: times, indicators: { quote: [quote] } }] } }
  const reasons: Nonsense[] = []
  const query = {
    symbol: 'TEST',
    interval: interval === 'DAY_1' ? ('DAY_1' as const) : ('MINUTE_1' as const),
    extendedHours: false,
    from: 0,
    to: 1e10,
  }
  const batch = readChart(body, query, (open + 400 * 86_400) * 1000, (reason) => reasons.push(reason))
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
      const reason = bad === 500 ? 'another unit' : 'price jump'
      assert.deepEqual([closes, reasons, excluded], [[5, 6], [reason], [open + 60]], `${name} ${bad}`)
    }
  }
  assert.deepEqual(judge([flat(5), flat(49.9), flat(5)]).reasons, [])
})

test('a jump is believed from the third row in a row that agrees, all three of them', () => {
  const twice = judge([flat(5), flat(500), flat(510), flat(5)])
  assert.deepEqual([twice.closes, twice.reasons.length], [[5, 5], 2])
  const thrice = judge([flat(5), flat(500), flat(510), flat(505)])
  assert.deepEqual([thrice.closes, thrice.reasons], [[5, 500, 510, 505], []])
  // No other unit, so only the rows in a row count.
  const jumped = judge([flat(5), flat(100), flat(102), flat(5)])
  assert.deepEqual(
    [jumped.closes, jumped.reasons],
    [
      [5, 5],
      ['price jump', 'price jump'],
    ],
  )
  const stayed = judge([flat(5), flat(100), flat(102), flat(101), flat(5)])
  assert.deepEqual([stayed.closes, stayed.reasons], [[5, 100, 102, 101], ['price jump']])
  const apart = judge([flat(5), flat(500), flat(50_000), flat(500), flat(5)])
  assert.deepEqual([apart.closes, apart.reasons.length], [[5, 5], 3])
})

test('prices of different sessions are compared for their unit only, and every day is a session of its own', () => {
  const overnight = judge([flat(5, { time: open }), flat(150, { time: nextOpen }), flat(151, { time: nextOpen + 60 })])
  assert.deepEqual([overnight.closes, overnight.reasons], [[5, 150, 151], []])
  const days = judge([flat(5), flat(150), flat(4)], { interval: 'DAY_1' })
  assert.deepEqual([days.closes, days.reasons], [[5, 150, 4], []])
})

test('an open or close outside of the range leaves the row out, however many quiet days precede it', () => {
  const quiet = Array.from({ length: 28 }, (_, i) => flat(129 + (i % 2) / 10, { high: 130, low: 128.5 }))
  const openBelow = { open: 127.5, high: 130.9, low: 127.8, close: 130.2, volume: 1 }
  const closeAbove = { open: 129, high: 130.4, low: 128, close: 133.1, volume: 1 }
  const { closes, reasons, excluded } = judge([...quiet, openBelow, closeAbove], { interval: 'DAY_1' })
  assert.equal(closes.length, 28)
  assert.deepEqual(reasons, ['outside its range', 'outside its range'])
  assert.equal(excluded.length, 2)
})

test('a range that only rounding puts beside the open or close is widened', () => {
  const { candles, reasons } = judge([flat(100, { open: 99.99999, close: 100.00001 })])
  assert.deepEqual([candles[0]?.low, candles[0]?.high, reasons], [99.99999, 100.00001, []])
})

test('a day in another unit is left out, and so is a block of days, whichever way and however long', () => {
  const pence = [600, 601, 602, 6.12, 604, 605, 606]
  const left = (closes: readonly number[]) => {
    const result = judge(
      closes.map((close) => flat(close)),
      { interval: 'DAY_1' },
    )
    return [result.closes, result.reasons.length, result.excluded.length]
  }
  assert.deepEqual(left(pence), [[600, 601, 602, 604, 605, 606], 1, 1])
  assert.deepEqual(left(pence.map((price) => price / 1000)), [[0.6, 0.601, 0.602, 0.604, 0.605, 0.606], 1, 1])
  for (const length of [1, 2, 3, 4, 30, 250]) {
    for (const factor of [100, 0.01]) {
      const price = (i: number) => 600 + (i % 7)
      const closes = Array.from({ length: length + 20 }, (_, i) => price(i) * (i >= 10 && i < 10 + length ? factor : 1))
      const right = closes.filter((_, i) => i < 10 || i >= 10 + length)
      assert.deepEqual(left(closes), [right, length, length], `${length} days times ${factor}`)
    }
  }
})

test('a step of 60 to 160 times, or to as small a part, is another unit; one short of or beyond that is a price', () => {
  for (const [factor, isUnit] of [
    [59, false],
    [61, true],
    [159, true],
    [161, false],
  ] as const) {
    for (const price of [600 * factor, 600 / factor]) {
      const { closes } = judge([flat(600), flat(price), flat(600)], { interval: 'DAY_1' })
      assert.equal(closes.length, isUnit ? 2 : 3, `${price}`)
    }
  }
})

test('a block in another unit is left out within a session and over several sessions too', () => {
  const rows = Array.from({ length: 300 }, (_, i) => {
    const time = open + Math.floor(i / 100) * 86_400 + (i % 100) * 60
    return flat((600 + (i % 7)) * (i >= 50 && i < 230 ? 0.01 : 1), { time })
  })
  const { closes, reasons } = judge(rows)
  assert.equal(closes.length, 120)
  assert.ok(closes.every((close) => close >= 600))
  assert.deepEqual([...new Set(reasons)], ['another unit'])
})

test('one price of a day in another unit leaves the day out', () => {
  for (const [name, price] of [
    ['low', 6.02],
    ['high', 60_200],
  ] as const) {
    const { closes, reasons } = judge([flat(600), flat(602, { [name]: price }), flat(603)], { interval: 'DAY_1' })
    assert.deepEqual([closes, reasons], [[600, 603], ['another unit']], name)
  }
})

test('a crash or rise that stays is a price, in penny shares too, and so is one that comes back little by little', () => {
  const crash = [5, 5.1, 0.05, 0.049, 0.051, 0.05]
  const rise = [0.0002, 0.0002, 0.019, 0.02, 0.021]
  const slowly = [5, 5.1, 0.05, 0.2, 0.6, 2, 5, 5.1]
  for (const closes of [crash, rise, slowly]) {
    const result = judge(
      closes.map((close) => flat(close)),
      { interval: 'DAY_1' },
    )
    assert.deepEqual([result.closes, result.reasons], [closes, []])
  }
})

test('until three rows agree, the newest ones in another unit are left out and not final', () => {
  const closes = [600, 601, 6.02, 6.03]
  const result = judge(
    closes.map((close) => flat(close)),
    { interval: 'DAY_1' },
  )
  assert.deepEqual(
    [result.closes, result.reasons],
    [
      [600, 601],
      ['another unit', 'another unit'],
    ],
  )
  assert.equal(result.finalBefore, result.excluded[0])
  const settled = judge(
    [...closes, 6.01].map((close) => flat(close)),
    { interval: 'DAY_1' },
  )
  assert.deepEqual(settled.closes, [600, 601, 6.02, 6.03, 6.01])
  assert.ok(settled.finalBefore > open + 30 * 86_400)
})

test('the newest rows in another unit than the current price are left out, however many there are', () => {
  for (const interval of ['DAY_1', 'MINUTE_1']) {
    for (const length of [3, 4, 30]) {
      const block = Array.from({ length }, (_, i) => flat(6 + i / 100))
      const rows = [flat(600), flat(601), ...block]
      const last = rows.length - 1
      const left = judge(rows, { interval, current: [599, last] })
      assert.deepEqual([left.closes, left.reasons.length], [[600, 601], length])
      assert.equal(left.finalBefore, left.excluded[0])
      // A crash that stays or goes on; and where nothing tells of the current price.
      const stays = { interval, current: [6.1, last] } as const
      const isAway = { interval, current: [0.061, last] } as const
      const unknown = { interval, current: [null, last] } as const
      for (const options of [stays, isAway, unknown]) assert.equal(judge(rows, options).closes.length, rows.length)
    }
  }
  // The last row has no price: the rows end before the date of the current price.
  const rows = [flat(600), flat(601), flat(6), flat(6.1), flat(6.2), flat(null)]
  assert.equal(judge(rows, { interval: 'DAY_1', current: [599, 5] }).closes.length, 5)
})

test('a price that came back little by little is no other unit than the current one', () => {
  const closes = [600, 601, 6, 18, 50, 150, 400, 598]
  const rows = closes.map((close) => flat(close))
  assert.deepEqual(judge(rows, { interval: 'DAY_1', current: [599, rows.length - 1] }).closes, closes)
})

test('the close before the range shows that its first rows are in another unit', () => {
  const rows = [6.02, 6.03].map((close) => flat(close))
  assert.deepEqual(judge(rows, { interval: 'DAY_1', closeBefore: 601 }).closes, [])
  assert.deepEqual(judge([...rows, flat(604)], { interval: 'DAY_1', closeBefore: 601 }).closes, [604])
  assert.deepEqual(judge(rows, { interval: 'DAY_1', closeBefore: 6 }).closes, [6.02, 6.03])
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
