import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FinstageError } from '../../../src/domain/errors.ts'
import type { JobKind } from '../../../src/domain/job.ts'
import { parseJobInput, parseJobLimits, requirePastRange } from '../../../src/jobs/job-inputs.ts'

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `S${i}`)

const right: Readonly<Record<JobKind, object>> = {
  ANALYSIS: { symbols: ['A'], interval: 'DAY_1' },
  BACKTEST: {
    ...{ symbols: ['A'], signals: ['RSI_OVERSOLD'], fromMs: null, toMs: null, initialCapital: 1e12, positionSize: 1 },
    ...{ holdDays: 1000, stopLoss: null, takeProfit: 10, cost: 0 },
  },
  DAILY_REPORT: { symbols: null, untilMs: null },
  BACKFILL: { symbols: ['A'], interval: 'DAY_1', fromMs: 0, toMs: null },
}

/** The message and the field of the BAD_USER_INPUT that this throws. */
function refusal(parse: () => unknown): readonly [string, string | undefined] {
  try {
    parse()
  } catch (error) {
    assert.ok(error instanceof FinstageError && error.code === 'BAD_USER_INPUT')
    return [error.message, error.details.field]
  }
  assert.fail('nothing was refused')
}

const wrong: readonly (readonly [JobKind, object, string])[] = [
  ...(['ANALYSIS', 'BACKFILL'] as const).flatMap((kind) => [
    [kind, { symbols: [] }, 'symbols is empty'] as const,
    [kind, { symbols: names(501) }, 'symbols has 501 entries; at most 500 are allowed'] as const,
  ]),
  ...(['BACKTEST', 'DAILY_REPORT'] as const).flatMap((kind) => [
    [kind, { symbols: [] }, 'symbols is empty'] as const,
    [kind, { symbols: names(101) }, 'symbols has 101 entries; at most 100 are allowed'] as const,
  ]),
  ['BACKTEST', { signals: [] }, 'signals is empty'],
  ['BACKTEST', { signals: Array(20).fill('RSI_OVERSOLD') }, 'signals has 20 entries; at most 19 are allowed'],
  ['BACKTEST', { holdDays: 0 }, 'holdDays is 0; it has to be from 1 to 1000'],
  ['BACKTEST', { holdDays: 1001 }, 'holdDays is 1001; it has to be from 1 to 1000'],
  ['BACKTEST', { initialCapital: 0 }, 'initialCapital is 0; it has to be above 0, up to 1000000000000'],
  ['BACKTEST', { initialCapital: 2e12 }, 'initialCapital is 2000000000000; it has to be above 0, up to 1000000000000'],
  ['BACKTEST', { positionSize: 1.1 }, 'positionSize is 1.1; it has to be above 0, up to 1'],
  ['BACKTEST', { takeProfit: 10.5 }, 'takeProfit is 10.5; it has to be above 0, up to 10'],
  ['BACKTEST', { stopLoss: 0 }, 'stopLoss is 0; it has to be above 0 and below 1'],
  ['BACKTEST', { stopLoss: 1 }, 'stopLoss is 1; it has to be above 0 and below 1'],
  ['BACKTEST', { cost: -0.1 }, 'cost is -0.1; it has to be from 0 to below 0.1'],
  ['BACKTEST', { cost: 0.1 }, 'cost is 0.1; it has to be from 0 to below 0.1'],
  // Of several, the first.
  ['BACKTEST', { cost: 1, holdDays: 0, symbols: [] }, 'symbols is empty'],
]

for (const [kind, input, message] of wrong) {
  test(`${kind} with ${JSON.stringify(input).slice(0, 60)} is refused: ${message}`, () => {
    const given = { ...right[kind], ...input }
    assert.deepEqual(
      refusal(() => parseJobInput(kind, given)),
      [message, message.split(' ')[0]],
    )
  })
}

test('an input at its bounds is taken as it is, each value of a list once, without what its kind does not ask for', () => {
  for (const [kind, input] of Object.entries(right)) {
    assert.deepEqual(parseJobInput(kind as JobKind, { ...input, other: 1 }), input)
  }
  const { symbols } = parseJobInput('ANALYSIS', { symbols: ['B', 'A', 'B'], interval: 'DAY_1' })
  assert.deepEqual(symbols, ['B', 'A'])
  assert.equal(parseJobInput('ANALYSIS', { symbols: names(500), interval: 'DAY_1' }).symbols.length, 500)
})

test('an input of another shape is refused with the field that is wrong', () => {
  assert.deepEqual(refusal(() => parseJobInput('ANALYSIS', { symbols: ['A'], interval: 'YEAR_1' }))[1], 'interval')
  assert.match(refusal(() => parseJobInput('ANALYSIS', {}))[0], /^symbols: Invalid input: expected array/)
  assert.match(refusal(() => parseJobInput('ANALYSIS', 'text'))[0], /^the input: Invalid input: expected object/)
})

test('attempts and their time have bounds', () => {
  const limits = { maxAttempts: 25, timeoutSeconds: 10_800 }
  assert.deepEqual(parseJobLimits({ ...limits, priority: 'LOW' }), limits)
  const refused = (asked: object) => refusal(() => parseJobLimits({ ...limits, ...asked }))
  assert.deepEqual(refused({ maxAttempts: 26 }), ['maxAttempts is 26; it has to be from 1 to 25', 'maxAttempts'])
  assert.deepEqual(refused({ timeoutSeconds: 0 }), [
    'timeoutSeconds is 0; it has to be from 1 to 10800',
    'timeoutSeconds',
  ])
})

test('a range without anything before its end and the present is refused', () => {
  const message = ['from must be earlier than to, and in the past', 'from']
  requirePastRange({ fromMs: null, toMs: 0 }, 100)
  requirePastRange({ fromMs: 99, toMs: null }, 100)
  requirePastRange({ fromMs: 0, toMs: 1 }, 100)
  for (const range of [
    { fromMs: 100, toMs: null },
    { fromMs: 5, toMs: 5 },
    { fromMs: 101, toMs: 200 },
  ]) {
    assert.deepEqual(
      refusal(() => requirePastRange(range, 100)),
      message,
    )
  }
})
