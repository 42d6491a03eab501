import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { catalogue } from '../../../src/analysis/indicators/catalogue.ts'
import { type Columns, toColumns } from '../../../src/analysis/indicators/columns.ts'
import { macd, rsi, stochastic } from '../../../src/analysis/indicators/momentum.ts'
import { bollingerBands } from '../../../src/analysis/indicators/volatility.ts'
import { sentimentOf } from '../../../src/analysis/sentiment.ts'
import { findSignals } from '../../../src/analysis/signals.ts'
import { findingsCandles, signalCandles, symbolFindings } from '../../../src/analysis/symbol-findings.ts'
import { type IndicatorSnapshot, type SymbolFindings, snapshotFields } from '../../../src/domain/analysis/analysis.ts'
import { signalKinds } from '../../../src/domain/analysis/signal.ts'
import { finished } from '../../../src/domain/steps.ts'
import { intervals } from '../../../src/domain/time/interval.ts'
import { barsOf, barsRaising, daysOf } from '../../support/candles/signal-candles.ts'

const page = readFileSync(new URL('../../../docs/analysis.md', import.meta.url), 'utf8')

/** The rows of the table below a row of these headings, cell by cell. */
function table(...headings: string[]): string[][] {
  const lines = page.split('\n')
  const top = lines.indexOf(`| ${headings.join(' | ')} |`)
  assert.notEqual(top, -1, `a table of ${headings}`)
  const rows = lines.slice(top + 2)
  return rows.slice(0, rows.indexOf('')).map((row) => row.slice(2, -2).split(' | '))
}

const findingsOf = (candles: Columns): SymbolFindings =>
  symbolFindings({
    ...{ symbol: 'EXAMPLE', source: 'YAHOO', interval: 'DAY_1', candles, closedCount: candles.epoch.length },
    ...{ sessions: { timezone: 'America/New_York', opens: null, closes: null }, isWhole: true },
  })

const candles = toColumns(
  (page.match(/```csv\n.*\n([^`]*)\n```/)?.[1] ?? assert.fail('no candles')).split('\n').map((row) => {
    const [date = '', ...cells] = row.split(',')
    const [open = Number.NaN, high = Number.NaN, low = Number.NaN, close = Number.NaN, volume = null] =
      cells.map(Number)
    return { epoch: Date.parse(date) / 1000, open, high, low, close, volume, closed: true }
  }),
)
const example = findingsOf(candles)

/** To four decimals, as the page gives values; whole numbers as they are. */
const shown = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(4))

/** What a calculation on the page comes to. */
function result(calculation: string | undefined): number {
  const plain = calculation?.match(/^`([\d\s.()+*/-]+)`$/)?.[1] ?? assert.fail(`no calculation: ${calculation}`)
  return runInNewContext(plain)
}

function assertComesTo(calculation: string | undefined, value: string | undefined): void {
  const comesTo = result(calculation)
  assert.ok(Math.abs(comesTo - Number(value)) < 2e-4, `${calculation} is ${comesTo}, not ${value}`)
}

test("the example's indicators are those of its candles, and its calculations come to them", () => {
  const rows = table('field', 'value', 'calculation')
  assert.deepEqual(
    rows.map(([field]) => field),
    snapshotFields,
  )
  for (const [field, value, calculation] of rows) {
    const found = example.indicators[field as keyof IndicatorSnapshot]
    assert.equal(value, found === null ? 'null' : shown(found), field)
    if (found !== null) assertComesTo(calculation, value)
  }
})

test("the example's steps come to their values, which its calculations use", () => {
  const calculations = table('field', 'value', 'calculation').map(([, , calculation]) => calculation)
  for (const [step, value = '', calculation] of table('step', 'value', 'calculation')) {
    assertComesTo(calculation, value)
    assert.ok(
      calculations.some((one) => one?.includes(String(Number(value)))),
      step,
    )
  }
})

test("the example's trend, score and sentiment are those of its candles, and the parts of the score add up to it", () => {
  assert.ok(page.includes(`**${example.trend}**.`))
  assert.ok(page.includes(`The sum is **${example.score}**, the sentiment **${example.sentiment}**.`))
  const parts = [...page.slice(page.indexOf('## An example')).matchAll(/^\| .* \| ([+-]\d) \|$/gm)].map(([, adds]) =>
    Number(adds),
  )
  assert.equal(parts.length, 5)
  assert.equal(
    parts.reduce((sum, part) => sum + part, 0),
    example.score,
  )
})

test("the example's signals are those of its candles, and its calculations come to their strengths", () => {
  const rows = table('candle', 'kind', 'what crossed', 'indicatorValue', 'strength', 'calculation')
  assert.deepEqual(
    rows.map(([candle, kind, , indicatorValue, strength]) => [candle, kind, indicatorValue, strength]),
    example.signals.map(({ epoch, kind, indicatorValue, strength }) => [
      ...[new Date(epoch * 1000).toISOString().slice(0, 10), kind],
      ...[shown(indicatorValue ?? Number.NaN), shown(strength)],
    ]),
  )
  for (const [, , , , strength, calculation] of rows) assertComesTo(calculation, strength)
})

test("each figure in the example's words is one of its indicators", () => {
  const { close, volume } = candles
  const { upper } = finished(bollingerBands(close, 20, 2))
  const lines = [rsi(close, 14), ...Object.values(finished(stochastic(candles, 14, 3, 3))), upper]
  const { macd: line, signal } = finished(macd(close, 12, 26, 9))
  const underBand = close.map((price, i) => (100 * ((upper[i] ?? Number.NaN) - price)) / (upper[i] ?? Number.NaN))
  const timesMean = (volume.at(-1) ?? Number.NaN) / (example.indicators.volumeSma20 ?? Number.NaN)
  const newest = [...lines, line, signal, underBand].flatMap((values) => [...values.slice(-6)])
  const heldAgainst = example.signals.map(({ indicatorValue }) => indicatorValue)
  const known = new Set(
    [...newest, ...Object.values(example.indicators), ...heldAgainst, timesMean].map((value) => shown(value ?? 0)),
  )
  const words = page
    .slice(page.indexOf('Trend: there is no SMA 200'), page.indexOf('The candles:'))
    .replaceAll(/\| [^|]* \| `.*` \|/g, '')
  const figures = words.match(/\d+\.\d{4}/g) ?? []
  assert.ok(figures.length > 20)
  for (const figure of figures) assert.ok(known.has(figure), figure)
})

test('the page names every kind of signal once, with its direction', () => {
  const rows = table('kind', 'direction', 'raised where', 'indicatorValue', 'strength')
  const directions = signalKinds.map((kind) => {
    const raised = findSignals(toColumns(daysOf(barsRaising[kind]))).find((signal) => signal.kind === kind)
    return [kind, raised?.direction]
  })
  assert.deepEqual(
    rows.map(([kind, direction]) => [kind, direction]),
    directions,
  )
})

test('the page says from how many candles on there is each indicator', () => {
  const rows = table('field', 'from', 'what it is').flatMap(([fields = '', from = '']) => {
    const counts = from.split(', ')
    return fields.split(', ').map((field, i) => [field, Number(counts[i] ?? counts[0])] as const)
  })
  assert.deepEqual(new Set(rows.map(([field]) => field)), new Set(snapshotFields))
  const zigzag = Array.from({ length: 200 }, (_, i) => 100 + (i % 3))
  const valueAt = (count: number, field: string): number | null =>
    findingsOf(toColumns(daysOf(barsOf(zigzag.slice(0, count))))).indicators[field as keyof IndicatorSnapshot]
  for (const [field, from] of rows) {
    if (from > 1) assert.equal(valueAt(from - 1, field), null, field)
    assert.notEqual(valueAt(from, field), null, field)
  }
})

test('the page compares each indicator of the catalogue with those of others, once', () => {
  const rows = table('indicator', 'ours', 'TradingView', 'TA-Lib')
  assert.deepEqual(rows.map(([name]) => name).toSorted(), Object.keys(catalogue).toSorted())
  for (const row of rows) assert.ok(row.length === 4 && row.every((cell) => cell.trim() !== ''), row.join())
})

test('the page says which sentiment each score is', () => {
  const stated = table('score', 'sentiment').flatMap(([scores = '', sentiment]) => {
    const [first, second] = scores.match(/-?\d+/g)?.map(Number) ?? []
    const size = Math.abs(first ?? Number.NaN)
    const sizes = /more|less/.test(scores) ? [size, size + 1, size + 2, 9] : [size, Math.abs(second ?? first ?? 0)]
    return sizes.map((one) => [one * Math.sign(first ?? 0), sentiment] as const)
  })
  for (const [score, sentiment] of stated) assert.equal(sentimentOf(score), sentiment, String(score))
  assert.ok([-9, -4, -3, -2, -1, 0, 1, 2, 3, 4, 9].every((score) => stated.some(([one]) => one === score)))
})

test('the page says how many candles an analysis is made of, and how many of them signals come from', () => {
  const count = (interval: 'DAY_1' | 'MINUTE_1' | 'MINUTE_2') => findingsCandles(interval).toLocaleString('en')
  const [most, ones, twos] = [count('DAY_1'), count('MINUTE_1'), count('MINUTE_2')]
  const others = intervals.filter((interval) => interval !== 'MINUTE_1' && interval !== 'MINUTE_2')
  assert.ok(others.every((interval) => findingsCandles(interval) === findingsCandles('DAY_1')))
  const text = page.replaceAll('\n', ' ')
  assert.ok(text.includes(`${most} of most intervals, ${ones} of MINUTE_1 and ${twos} of MINUTE_2`))
  assert.ok(text.includes(`the signals of its newest ${signalCandles} closed candles`))
})
