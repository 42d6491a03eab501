import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type IndicatorSnapshot,
  type SymbolFindings,
  snapshotFields,
} from '../../../../src/domain/analysis/analysis.ts'
import type { Signal, SignalKind } from '../../../../src/domain/analysis/signal.ts'
import { signalKinds } from '../../../../src/domain/analysis/signal.ts'
import { dailyReportText, type Reported } from '../../../../src/jobs/tasks/daily-report-text.ts'

const indicators = Object.fromEntries(snapshotFields.map((field) => [field, null])) as IndicatorSnapshot

const signal = (symbol: string, kind: SignalKind, direction: Signal['direction']): Signal => ({
  ...{ symbol, kind, direction, interval: 'DAY_1', source: 'YAHOO', epoch: 1_764_028_800 },
  ...{ knownAtMs: 1_764_104_400_000, price: 100, indicatorValue: 99, strength: 1 },
})

function reported(symbol: string, changes: Partial<Reported> = {}, findings: Partial<SymbolFindings> = {}): Reported {
  return {
    ...{ symbol, price: 6705.123, changePercent: 1.234, sentiment: 'SLIGHTLY_BULLISH', strongest: null },
    ...{ name: null, decimals: 2, newSignals: [] },
    findings: {
      ...{ symbol, source: 'YAHOO', interval: 'DAY_1', asOfMs: 1_764_028_800_000, price: 6705.123 },
      ...{ trend: 'UP', sentiment: 'SLIGHTLY_BULLISH', score: 1, indicators, signals: [] },
      ...findings,
    },
    ...changes,
  }
}

test('a report names each market with its price, its change, its sentiment and its trend, then the signals, then what is missing', () => {
  const markets = [
    reported('^GSPC', {
      name: 'S&P 500',
      newSignals: [signal('^GSPC', 'GOLDEN_CROSS', 'BULLISH'), signal('^GSPC', 'VOLUME_SPIKE', 'NEUTRAL')],
    }),
    reported('AAPL', { price: 271.4, changePercent: -0.5 }),
  ]
  const missing = [{ symbol: 'NOPE', code: 'SYMBOL_NOT_FOUND', message: 'There is no symbol NOPE' } as const]
  assert.deepEqual(dailyReportText('2025-11-25', markets, missing).split('\n'), [
    'Daily report for Tuesday, 25 November 2025',
    '',
    'Markets',
    '- S&P 500 (^GSPC): 6,705.12, up 1.23 %; sentiment slightly bullish; trend up',
    '- AAPL: 271.40, down 0.50 %; sentiment slightly bullish; trend up',
    '',
    'New signals',
    '- S&P 500 (^GSPC): golden cross: its 50-day average rose above its 200-day average (bullish)',
    '- S&P 500 (^GSPC): moved on far more volume than usual',
    '',
    'Not available',
    '- NOPE: There is no symbol NOPE',
  ])
})

test('what is not known is not said, a day without signals says so, and simulated prices say that they are', () => {
  const market = reported(
    'BTC-USD',
    { changePercent: null, sentiment: null, price: 91_000.5, decimals: 0 },
    { trend: null, source: 'SIMULATED' },
  )
  assert.deepEqual(dailyReportText('2025-11-25', [market], []).split('\n').slice(2), [
    'Markets',
    '- BTC-USD: 91,001; simulated',
    '',
    'New signals',
    '- none',
  ])
})

test('what is of another day than the report says of which', () => {
  const market = reported('BTC-USD', { sentiment: null }, { trend: null, asOfMs: Date.parse('2025-11-23T00:00:00Z') })
  assert.equal(
    dailyReportText('2025-11-25', [market], []).split('\n')[3],
    '- BTC-USD: 6,705.12, up 1.23 %; of Sunday, 23 November 2025',
  )
})

test('a change too small to be shown is none', () => {
  for (const [changePercent, words] of [
    [0, 'unchanged'],
    [-0.004, 'unchanged'],
    [0.006, 'up 0.01 %'],
    [-0.006, 'down 0.01 %'],
  ] as const) {
    assert.match(dailyReportText('2025-11-25', [reported('A', { changePercent })], []), new RegExp(`, ${words};`))
  }
})

test('each kind of signal has words of its own', () => {
  const lines = signalKinds.map((kind) => {
    const market = reported('A', { newSignals: [signal('A', kind, 'NEUTRAL')] })
    return dailyReportText('2025-11-25', [market], []).split('\n').at(-1)
  })
  assert.equal(new Set(lines).size, signalKinds.length)
  assert.ok(lines.every((line) => line?.startsWith('- A: ')))
})
