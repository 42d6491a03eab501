import type { BacktestResult, BacktestRules } from '../../domain/analysis/backtest.ts'
import { type SignalKind, signalKinds } from '../../domain/analysis/signal.ts'
import { badInput } from '../../domain/errors.ts'
import { bounded, boundedList } from '../bounds.ts'
import type { Context } from '../context.ts'
import { type EnqueueInput, type EnqueueResult, enqueue } from '../job.ts'

const maxSymbols = 100
const maxCapital = 1e12
const maxHoldDays = 1000
const maxTakeProfit = 10
const costBound = 0.1

export interface EnqueueBacktestInput extends EnqueueInput {
  readonly symbols: readonly string[]
  readonly signals: readonly SignalKind[]
  /** Epoch milliseconds. */
  readonly from?: number | null | undefined
  readonly to?: number | null | undefined
  readonly initialCapital: number
  readonly positionSize: number
  readonly holdDays: number
  readonly stopLoss?: number | null | undefined
  readonly takeProfit?: number | null | undefined
  readonly cost: number
}

export interface EquityPoint {
  readonly epoch: number
  readonly equity: number
}

export const enqueueBacktest = (
  _root: unknown,
  { input }: { input: EnqueueBacktestInput },
  context: Context,
): Promise<EnqueueResult> =>
  enqueue('BACKTEST', input, context, () => {
    const { from = null, to = null } = input
    const symbols = boundedList(input.symbols, maxSymbols, 'symbols')
    const rules = checkedRules(input)
    const now = Date.now()
    if (from !== null && from >= Math.min(to ?? now, now)) {
      throw badInput('from has to be before to and the present', 'from')
    }
    return { input: { symbols, fromMs: from, toMs: to, ...rules }, runAtMs: null }
  })

function checkedRules(input: EnqueueBacktestInput): BacktestRules {
  const { stopLoss = null, takeProfit = null } = input
  const signals = boundedList(input.signals, signalKinds.length, 'signals')
  const holdDays = bounded(input.holdDays, 1, maxHoldDays, 'holdDays')
  const initialCapital = positive(input.initialCapital, maxCapital, 'initialCapital')
  const positionSize = positive(input.positionSize, 1, 'positionSize')
  if (takeProfit !== null) positive(takeProfit, maxTakeProfit, 'takeProfit')
  if (stopLoss !== null && !(stopLoss > 0 && stopLoss < 1)) {
    throw badInput(`stopLoss is ${stopLoss}; it has to be above 0 and below 1`, 'stopLoss')
  }
  const { cost } = input
  if (!(cost >= 0 && cost < costBound)) {
    throw badInput(`cost is ${cost}; it has to be from 0 to below ${costBound}`, 'cost')
  }
  return { signals, initialCapital, positionSize, holdDays, stopLoss, takeProfit, cost }
}

/** A number above 0, up to `max`. Throws BAD_USER_INPUT where it is not. */
function positive(value: number, max: number, field: string): number {
  if (value > 0 && value <= max) return value
  throw badInput(`${field} is ${value}; it has to be above 0, up to ${max}`, field)
}

export const equityPoints = ({ curve: { epoch, equity } }: BacktestResult): EquityPoint[] =>
  epoch.map((each, i) => ({ epoch: each, equity: equity[i] as number }))
