import type { BacktestSymbol } from '../../../src/analysis/backtest.ts'
import type { BacktestRules } from '../../../src/domain/analysis/backtest.ts'
import type { SignalKind } from '../../../src/domain/analysis/signal.ts'

/**
 * A backtest once more, from the rules as they are written down, the other way round: first every signal becomes a trade as it
 * would go by itself, then the dates choose from the list of trades, and the equity of each date is added up from nothing.
 */

interface Day {
  readonly epoch: number
  readonly open: number
  readonly high: number
  readonly low: number
  readonly close: number
}

interface Trade {
  readonly kind: SignalKind
  readonly isLong: boolean
  /** Those that it may last. */
  readonly days: readonly Day[]
  readonly entered: number
  readonly entry: number
  left: number
  exit: number
  /** null: passed over. */
  invested: number | null
}

export interface Recomputed {
  readonly equity: readonly number[]
  readonly trades: readonly { readonly kind: SignalKind; readonly invested: number; readonly profit: number }[]
  readonly passedOver: number
  readonly isRuined: boolean
}

export function recomputed(symbols: readonly BacktestSymbol[], rules: BacktestRules): Recomputed {
  const daysOf = new Map(symbols.map((symbol) => [symbol, toDays(symbol)]))
  const ranges = [...daysOf].flatMap(([{ first }, days]) => days.slice(first))
  const dates = [...new Set(ranges.map((day) => day.epoch))].toSorted((a, b) => a - b)
  const lastDate = dates.at(-1) ?? 0
  const wishes = symbols.flatMap((symbol) =>
    rules.signals.flatMap((kind) =>
      symbol.signals
        .filter((each) => each.kind === kind && each.direction !== 'NEUTRAL' && each.index >= symbol.first)
        .flatMap(({ index, direction }): Trade[] => {
          const days = (daysOf.get(symbol) ?? []).slice(index + 1, index + 1 + rules.holdDays)
          const [first] = days
          if (!first || first.open <= 0) return []
          const isLong = direction === 'BULLISH'
          const atTheEnd = { left: lastDate, exit: days.at(-1)?.close ?? 0 }
          const end = (isLong ? longExit : shortExit)(days, rules) ?? atTheEnd
          return [{ kind, isLong, days, entered: first.epoch, entry: first.open, ...end, invested: null }]
        }),
    ),
  )

  /** What a trade has brought by the close of a date, costs included. */
  const profitAt = (trade: Trade, date: number): number => {
    const { invested, entry, isLong, entered } = trade
    if (invested === null || date < entered) return 0
    const shares = invested / entry
    const isOver = date >= trade.left
    const price = isOver ? trade.exit : (trade.days.findLast((day) => day.epoch <= date)?.close ?? 0)
    const moved = shares * (isLong ? price - entry : entry - price)
    return moved - rules.cost * invested - (isOver ? rules.cost * shares * Math.abs(price) : 0)
  }
  const equityAt = (date: number): number =>
    wishes.reduce((total, trade) => total + profitAt(trade, date), rules.initialCapital)

  let isRuined = false
  let before = rules.initialCapital
  const equity = dates.map((date) => {
    for (const wish of wishes.filter(({ entered }) => entered === date)) {
      const open = wishes.filter(({ invested, left }) => invested !== null && left >= date)
      const put = open.reduce((total, { invested }) => total + (invested ?? 0), 0)
      const wanted = rules.positionSize * before
      if (!isRuined && put + wanted <= before * (1 + 1e-9)) wish.invested = wanted
    }
    if (equityAt(date) <= 0) {
      isRuined = true
      for (const trade of wishes.filter(({ left }) => left > date)) {
        trade.exit = trade.days.findLast((day) => day.epoch <= date)?.close ?? 0
        trade.left = date
      }
    }
    before = equityAt(date)
    return before
  })
  const trades = wishes.flatMap(({ invested, ...trade }) =>
    invested === null ? [] : [{ kind: trade.kind, invested, profit: profitAt({ invested, ...trade }, lastDate) }],
  )
  return { equity, trades, passedOver: wishes.length - trades.length, isRuined }
}

const toDays = ({ candles: { epoch, open, high, low, close } }: BacktestSymbol): Day[] =>
  Array.from(epoch, (each, i) => ({
    ...{ epoch: each, open: open[i] ?? 0, high: high[i] ?? 0, low: low[i] ?? 0, close: close[i] ?? 0 },
  }))

type Exit = { readonly left: number; readonly exit: number }

/** null: none before the range is over. */
function longExit(days: readonly Day[], { stopLoss, takeProfit, holdDays }: BacktestRules): Exit | null {
  const entry = days[0]?.open ?? 0
  const stop = stopLoss === null ? Number.NEGATIVE_INFINITY : entry * (1 - stopLoss)
  const target = takeProfit === null ? Number.POSITIVE_INFINITY : entry * (1 + takeProfit)
  for (const [count, { epoch: left, open, high, low, close }] of days.entries()) {
    if (count > 0 && (open < stop || open > target)) return { left, exit: open }
    if (low <= stop) return { left, exit: stop }
    if (high >= target) return { left, exit: target }
    if (count + 1 === holdDays) return { left, exit: close }
  }
  return null
}

function shortExit(days: readonly Day[], { stopLoss, takeProfit, holdDays }: BacktestRules): Exit | null {
  const entry = days[0]?.open ?? 0
  const stop = stopLoss === null ? Number.POSITIVE_INFINITY : entry * (1 + stopLoss)
  const target = takeProfit === null ? Number.NEGATIVE_INFINITY : entry * (1 - takeProfit)
  for (const [count, { epoch: left, open, high, low, close }] of days.entries()) {
    if (count > 0 && (open > stop || open < target)) return { left, exit: open }
    if (high >= stop) return { left, exit: stop }
    if (low <= target) return { left, exit: target }
    if (count + 1 === holdDays) return { left, exit: close }
  }
  return null
}
