import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Columns, toColumns } from '../../../src/analysis/indicators/columns.ts'
import { type FoundSignal, findSignals, signalSteps, signalsWarmUp } from '../../../src/analysis/signals.ts'
import { type SignalDirection, type SignalKind, signalKinds } from '../../../src/domain/analysis/signal.ts'
import { crossingsOf, plainSignals, side } from '../../support/analysis/plain-signals.ts'
import { candleKinds } from '../../support/candles/generated-candles.ts'
import { type Bar, barsOf, barsRaising, daysOf } from '../../support/candles/signal-candles.ts'

const directions: Record<SignalKind, SignalDirection> = {
  ...({ MA50_BREAKOUT_UP: 'BULLISH', MA50_BREAKOUT_DOWN: 'BEARISH' } as const),
  ...({ MA200_BREAKOUT_UP: 'BULLISH', MA200_BREAKOUT_DOWN: 'BEARISH' } as const),
  ...({ GOLDEN_CROSS: 'BULLISH', DEATH_CROSS: 'BEARISH' } as const),
  ...({ RSI_OVERBOUGHT: 'BEARISH', RSI_OVERSOLD: 'BULLISH', RSI_BULLISH: 'BULLISH', RSI_BEARISH: 'BEARISH' } as const),
  ...({ BOLLINGER_BREAK_UPPER: 'BULLISH', BOLLINGER_BREAK_LOWER: 'BEARISH' } as const),
  ...({ BOLLINGER_TOUCH_UPPER: 'BEARISH', BOLLINGER_TOUCH_LOWER: 'BULLISH' } as const),
  ...({ MACD_BULLISH_CROSS: 'BULLISH', MACD_BEARISH_CROSS: 'BEARISH' } as const),
  ...({ STOCHASTIC_BULLISH_CROSS: 'BULLISH', STOCHASTIC_BEARISH_CROSS: 'BEARISH', VOLUME_SPIKE: 'NEUTRAL' } as const),
}
const isTouch = (kind: SignalKind): boolean => kind.startsWith('BOLLINGER_TOUCH')
const crossingKinds = signalKinds.filter((kind) => !isTouch(kind) && kind !== 'VOLUME_SPIKE')

const find = (bars: readonly Bar[]): FoundSignal[] => findSignals(toColumns(daysOf(bars)))

/** The kinds raised by the newest bar. */
const kindsAtEnd = (bars: readonly Bar[]): SignalKind[] =>
  find(bars).flatMap(({ kind, index }) => (index === bars.length - 1 ? kind : []))

const raises = (kind: SignalKind, bars: readonly Bar[]): boolean => kindsAtEnd(bars).includes(kind)

/** One more bar, which closes there, with the volume of the others. */
const closingAt = (bars: readonly Bar[], close: number): Bar[] => [...bars, barsOf([lastClose(bars), close])[1] as Bar]

const lastClose = (bars: readonly Bar[]): number => bars.at(-1)?.close ?? Number.NaN

/** Where between two closes of a bar after these something becomes true; it stays so beyond. */
function turningPoint(from: number, to: number, isTrue: (close: number) => boolean): number {
  assert.ok(!isTrue(from) && isTrue(to), 'it turns between the two')
  let [no, yes] = [from, to]
  for (let i = 0; i < 45; i++) {
    const middle = (no + yes) / 2
    if (isTrue(middle)) yes = middle
    else no = middle
  }
  return yes
}

for (const kind of signalKinds) {
  const bars = barsRaising[kind]
  const quiet = bars.slice(0, -1)
  const [before, close] = [lastClose(quiet), lastClose(bars)]

  test(`${kind} is raised once, ${directions[kind]}, by the candle that fits its rule`, () => {
    const signals = find(bars).filter((signal) => signal.kind === kind)
    assert.equal(signals.length, 1)
    const plain = plainSignals(bars).find((signal) => signal.kind === kind) ?? assert.fail('not in the plain rules')
    const [{ indicatorValue, strength, ...named } = assert.fail()] = signals
    assert.deepEqual(named, { kind, direction: directions[kind], index: bars.length - 1, price: close })
    assertNear(indicatorValue, plain.indicatorValue)
    assertNear(strength, plain.strength)
  })

  test(`${kind} is not raised again by the candles after it that go on the same way`, () => {
    const step = Math.sign(close - before) * 0.1
    const goesOn = [1, 2, 3].reduce((longer) => closingAt(longer, lastClose(longer) + step), bars as Bar[])
    const indices = find(goesOn).flatMap((signal) => (signal.kind === kind ? signal.index : []))
    assert.deepEqual(indices, [bars.length - 1])
  })
}

for (const kind of crossingKinds) {
  // As many as the longest average needs, and some.
  const bars = barsRaising[kind].slice(-250)
  const quiet = bars.slice(0, -1)
  const [before, close] = [lastClose(quiet), lastClose(bars)]

  test(`${kind} needs more than to be level: a millionth further it is raised`, () => {
    const crossing = (longer: readonly Bar[]) =>
      crossingsOf(longer).find(({ up, down }) => up === kind || down === kind) ?? assert.fail(kind)
    const wanted = crossing(bars).up === kind ? 1 : -1
    const sideAt = (price: number) => side(crossing(closingAt(quiet, price)), quiet.length)
    const far = before - wanted * 40
    // Where the lines are the same but for rounding begins and ends.
    const begins = turningPoint(far, close, (price) => sideAt(price) === 0 || sideAt(price) === wanted)
    const ends = turningPoint(far, close, (price) => sideAt(price) === wanted)
    const level = begins + 0.75 * (ends - begins)
    const further = wanted * 1e-6 * level
    assert.ok(!raises(kind, closingAt(quiet, level - further)))
    assert.ok(!raises(kind, closingAt(quiet, level)))
    assert.ok(raises(kind, closingAt(quiet, level + further)))
    // From level to beyond is a crossing too.
    assert.ok(raises(kind, closingAt(closingAt(quiet, level), close)))
  })

  test(`${kind} is not raised by a crossing from the other side`, () => {
    const turnedOver = bars.map(({ close: price }) => 300 - price)
    assert.ok(!find(barsOf(turnedOver)).some((signal) => signal.kind === kind && signal.index === bars.length - 1))
  })
}

for (const kind of ['BOLLINGER_TOUCH_UPPER', 'BOLLINGER_TOUCH_LOWER'] as const) {
  const bars = barsRaising[kind]
  const quiet = bars.slice(0, -1)
  const outwards = kind === 'BOLLINGER_TOUCH_UPPER' ? 1 : -1
  const breakKind = kind === 'BOLLINGER_TOUCH_UPPER' ? 'BOLLINGER_BREAK_UPPER' : 'BOLLINGER_BREAK_LOWER'
  /** How far inside the band the newest close is, in per cent of the band. */
  const insidePercent = (longer: readonly Bar[]): number => {
    const closes = longer.slice(-20).map(({ close }) => close)
    const mean = closes.reduce((sum, close) => sum + close, 0) / 20
    const deviation = Math.sqrt(closes.reduce((sum, close) => sum + (close - mean) ** 2, 0) / 20)
    const band = mean + outwards * 2 * deviation
    return (100 * outwards * (band - lastClose(longer))) / band
  }

  test(`${kind} is raised from 1 % inside the band to the band itself, and beyond it a break is`, () => {
    const [near, far] = [lastClose(quiet), lastClose(quiet) + outwards * 10]
    const comesNear = turningPoint(near, far, (close) => insidePercent(closingAt(quiet, close)) <= 1)
    const reaches = turningPoint(near, far, (close) => insidePercent(closingAt(quiet, close)) <= 0)
    const [touches, breaks] = [kind, breakKind].map(
      (one) => (close: number) => raises(one as SignalKind, closingAt(quiet, close)),
    ) as [(close: number) => boolean, (close: number) => boolean]
    const hair = outwards * 1e-4
    assert.deepEqual([comesNear - hair, comesNear, reaches, reaches + hair].map(touches), [false, true, true, false])
    assert.deepEqual([comesNear - hair, comesNear, reaches, reaches + hair].map(breaks), [false, false, false, true])
  })

  test(`${kind} is not raised by a close that was within 1 % already`, () => {
    const [near, far] = [lastClose(quiet), lastClose(quiet) + outwards * 10]
    const within = closingAt(
      quiet,
      turningPoint(near, far, (close) => insidePercent(closingAt(quiet, close)) <= 1),
    )
    const closer = turningPoint(near, far, (close) => insidePercent(closingAt(within, close)) <= 0.5)
    assert.ok(!raises(kind, closingAt(within, closer)))
  })

  test(`${kind} is not raised where the close comes back from beyond the band`, () => {
    const beyond = closingAt(quiet, lastClose(quiet) + outwards * 10)
    const back = turningPoint(
      lastClose(quiet),
      lastClose(beyond),
      (close) => insidePercent(closingAt(beyond, close)) <= 0.5,
    )
    assert.ok(!raises(kind, closingAt(beyond, back)))
    assert.ok(!raises(breakKind, closingAt(beyond, back)))
  })

  test(`${kind} is not raised by bands that fall onto a price that stands still`, () => {
    const price = 97.3
    const once = [...Array<number>(300).fill(price), price + 40, ...Array<number>(40).fill(price)]
    // While the one other price is among the 20, the bands are far; then they lie on the price.
    const kinds = find(barsOf(once)).filter(({ index }) => index > 301)
    assert.deepEqual(
      kinds.filter((signal) => signal.kind.startsWith('BOLLINGER')),
      [],
    )
  })
}

const spike = barsRaising.VOLUME_SPIKE
const quiet = spike.slice(0, -1)
const spiking = (change: Partial<Bar>, before: readonly Bar[] = quiet): Bar[] => [
  ...before,
  { ...(spike.at(-1) as Bar), ...change },
]
const quietVolume = quiet.at(-1)?.volume ?? assert.fail()

for (const [what, bars, isRaised] of [
  ['exactly twice the mean', spiking({ volume: 2 * quietVolume }), true],
  ['just under twice the mean', spiking({ volume: 2 * quietVolume - 1 }), false],
  [
    'a close that rose by 1 % exactly',
    spiking({ close: 7.07 }, [...quiet, { ...(quiet.at(-1) as Bar), close: 7 }]),
    false,
  ],
  ['a close that rose by 1.001 %', spiking({ close: lastClose(quiet) * 1.01001 }), true],
  ['a close that fell by 1.001 %', spiking({ close: lastClose(quiet) * 0.98999 }), true],
  ['a close that stayed', spiking({ close: lastClose(quiet) }), false],
  ['a volume that is not known', spiking({ volume: null }), false],
  ['a hole 20 candles before', spiking({}, withVolume(quiet, quiet.length - 20, null)), false],
  ['a hole 21 candles before', spiking({}, withVolume(quiet, quiet.length - 21, null)), true],
  ['20 candles before it', spiking({}, quiet.slice(-20)), true],
  ['19 candles before it', spiking({}, quiet.slice(-19)), false],
  [
    'no volume at all',
    spiking(
      { volume: 0 },
      quiet.map((bar) => ({ ...bar, volume: 0 })),
    ),
    false,
  ],
  [
    'no volume before it',
    spiking(
      {},
      quiet.map((bar) => ({ ...bar, volume: 0 })),
    ),
    false,
  ],
] as const satisfies readonly (readonly [string, Bar[], boolean])[]) {
  test(`VOLUME_SPIKE is ${isRaised ? '' : 'not '}raised with ${what}`, () => {
    assert.equal(raises('VOLUME_SPIKE', bars), isRaised)
  })
}

function withVolume(bars: readonly Bar[], index: number, volume: number | null): Bar[] {
  return bars.map((bar, i) => (i === index ? { ...bar, volume } : bar))
}

test('VOLUME_SPIKE is raised by each of two spikes in a row', () => {
  const twice = spiking({ close: lastClose(spike) * 0.97, volume: 9 * quietVolume }, spike)
  const indices = find(twice).flatMap(({ kind, index }) => (kind === 'VOLUME_SPIKE' ? index : []))
  assert.deepEqual(indices, [spike.length - 1, spike.length])
})

const walked = candleKinds['that walk at random'] ?? assert.fail()

/** Candles as bars again. */
const barsFrom = ({ open, high, low, close, volume }: Columns): Bar[] =>
  Array.from(close, (price, i) => {
    const at = (column: Float64Array): number => column[i] as number
    const known = Number.isNaN(at(volume)) ? null : at(volume)
    return { open: at(open), high: at(high), low: at(low), close: price, volume: known }
  })

/** Of each kind of candles. */
const runs = Number(process.env.PROPERTY_RUNS ?? 3)
const seeds = Array.from({ length: runs }, (_, i) => i + 1)

function assertNear(actual: number | null, expected: number, what = ''): void {
  const isNear = actual !== null && Math.abs(actual - expected) <= 1e-7 * Math.abs(expected) + 1e-9
  assert.ok(isNear, `${what} ${actual}, not ${expected}`)
}

for (const [candleKind, generate] of Object.entries(candleKinds)) {
  test(`over candles ${candleKind} the signals are those of the plain rules, in the same order`, () => {
    for (const seed of seeds) {
      const candles = generate(450, seed)
      const found = findSignals(candles)
      const plain = plainSignals(barsFrom(candles))
      const name = ({ kind, index }: { kind: SignalKind; index: number }): string => `${index} ${kind}`
      assert.deepEqual(found.map(name), plain.map(name), `seed ${seed}`)
      for (const [i, { kind, index, direction, price, indicatorValue, strength }] of found.entries()) {
        const what = `seed ${seed}, ${kind} at ${index}:`
        assert.deepEqual([direction, price], [directions[kind], candles.close[index]], what)
        assertNear(indicatorValue, plain[i]?.indicatorValue ?? Number.NaN, what)
        assertNear(strength, plain[i]?.strength ?? Number.NaN, what)
      }
    }
  })

  // Warm-ups go by the size of what was before: prices a trillion times as high are not forgotten.
  if (candleKind === 'that jump tenfold') continue
  test(`over candles ${candleKind} signals do not depend on what is before their warm-up, or after them`, () => {
    const [before, counted, after] = [150, 300, 50]
    for (const seed of seeds) {
      const bars = barsFrom(generate(before + signalsWarmUp + counted + after, seed))
      const end = bars.length - after
      const among = (signals: readonly FoundSignal[], offset: number): FoundSignal[] =>
        signals.flatMap((signal) => {
          const index = signal.index + offset
          return index >= before + signalsWarmUp && index < end ? { ...signal, index } : []
        })
      const whole = among(find(bars), 0)
      const cut = among(find(bars.slice(before, end)), before)
      assert.deepEqual(
        cut.map(({ kind, index }) => [kind, index]),
        whole.map(({ kind, index }) => [kind, index]),
        `seed ${seed}`,
      )
      for (const [i, { strength, kind, index }] of cut.entries()) {
        assertNear(strength, whole[i]?.strength ?? Number.NaN, `seed ${seed}, ${kind} at ${index}:`)
      }
    }
  })
}

test('the signals of a long series are found in steps, none of which is long', () => {
  const candles = candleKinds['that jump tenfold']?.(20_000, 1) ?? assert.fail()
  let longest = Number.POSITIVE_INFINITY
  // The shortest of some runs: others use the machine, too.
  for (let run = 0; run < 8; run++) {
    const tookMs: number[] = []
    const steps = signalSteps(candles)
    for (let isDone = false; !isDone; ) {
      const { user } = process.cpuUsage()
      const { done, value } = steps.next()
      tookMs.push((process.cpuUsage().user - user) / 1000)
      isDone = done === true
      if (done) assert.deepEqual(value, findSignals(candles))
    }
    const all = tookMs.reduce((sum, ms) => sum + ms)
    longest = Math.min(longest, Math.max(...tookMs.slice(0, -1)) / all)
  }
  assert.ok(longest < 0.25, `a step takes ${longest} of all`)
})

test('those candles raise every kind', () => {
  const kinds = Object.values(candleKinds).flatMap((generate) => findSignals(generate(450, 1)).map(({ kind }) => kind))
  assert.deepEqual(new Set(kinds), new Set(signalKinds))
})

test('rounding raises nothing: on straight lines, where MACD and %K are level with their averages, and where prices stand still', () => {
  for (const step of [0.1, -0.07, 0.013, 0]) {
    for (const start of [100, 0.3, 64_321.7]) {
      const line = Array.from({ length: 400 }, (_, i) => start + step * start * 0.01 * i)
      // The stochastic settles once all of its window lies on the line.
      const late = find(barsOf(line)).filter(({ index }) => index > 20)
      assert.deepEqual(late, [], `from ${start} by ${step}`)
    }
  }
  for (const seed of seeds) {
    const moving = [...walked(300, seed).close]
    const still = [...moving, ...Array<number>(500).fill(moving.at(-1) ?? Number.NaN)]
    const late = find(barsOf(still)).filter(({ index }) => index >= 600)
    assert.deepEqual(late, [], `seed ${seed}`)
  }
})

test('prices of any size, and zero, never give a number that is none', () => {
  for (const [candleKind, generate] of Object.entries(candleKinds)) {
    for (const scale of [1e-300, -1, 0, 1e290]) {
      const scaled = barsFrom(generate(450, 1)).map(({ open, high, low, close, volume }) => {
        const ends = [high * scale, low * scale]
        return { open: open * scale, high: Math.max(...ends), low: Math.min(...ends), close: close * scale, volume }
      })
      for (const { kind, strength, indicatorValue } of find(scaled)) {
        const areNumbers = Number.isFinite(strength) && Number.isFinite(indicatorValue)
        assert.ok(areNumbers, `${kind} over candles ${candleKind} at ${scale}`)
      }
    }
  }
})

test('no candles, one, and two raise nothing', () => {
  for (const length of [0, 1, 2]) assert.deepEqual(find(barsOf([1, 2].slice(0, length))), [])
})
