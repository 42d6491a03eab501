import type { BacktestOutcome, BacktestRules, SignalPerformance } from '../domain/analysis/backtest.ts'
import type { SignalKind } from '../domain/analysis/signal.ts'
import { FinstageError } from '../domain/errors.ts'
import type { Columns } from './indicators/columns.ts'
import { performance, quotient, sum } from './performance.ts'
import { type FoundSignal, findSignals } from './signals.ts'

/** Shares that add up to the whole equity may be off by rounding. */
const roundingShare = 1e-9

/** The candles of a symbol, all closed. */
export interface SymbolCandles {
  readonly candles: Columns
  /** Index of the first candle of the range; those before it only serve the signals. */
  readonly first: number
}

export interface BacktestSymbol extends SymbolCandles {
  /** All signals found in the candles. */
  readonly signals: readonly FoundSignal[]
}

export interface BacktestInput {
  readonly symbols: readonly SymbolCandles[]
  readonly rules: BacktestRules
}

/** A symbol's candles, read in order. */
interface Tape {
  readonly candles: Columns
  /** Index of the newest candle so far. */
  place: number
  /** Keyed by the index of the candle at whose open they are filled. */
  readonly orders: Map<number, Order[]>
}

interface Order {
  readonly tape: Tape
  readonly kind: SignalKind
  /** 1: long, -1: short. */
  readonly side: 1 | -1
}

interface Trade extends Order {
  /** The invested amount. */
  readonly amount: number
  readonly entry: number
  readonly entryPlace: number
  /** NaN: none. */
  readonly stop: number
  readonly target: number
}

interface ClosedTrade {
  readonly kind: SignalKind
  /** Return after costs, as a share of the amount. */
  readonly netReturn: number
  /** The same in money. */
  readonly profit: number
}

/** Finds the signals in the candles and trades them as `backtest` does. Takes a single object, for a thread. */
export const signalBacktest = ({ symbols, rules }: BacktestInput): BacktestOutcome =>
  backtest(
    symbols.map((symbol) => ({ ...symbol, signals: findSignals(symbol.candles) })),
    rules,
  )

/**
 * Trades the signals of a range, those of all symbols with one capital. A bullish signal opens a long trade and a
 * bearish one a short trade at the open of the symbol's next candle; docs/backtest.md has all rules. No date uses
 * anything later. Throws NO_DATA if prices are so far apart that the equity is no longer a number.
 */
export function backtest(symbols: readonly BacktestSymbol[], rules: BacktestRules): BacktestOutcome {
  const tapes = symbols.map((symbol) => tapeOf(symbol, rules.signals))
  const epoch = datesOf(symbols)
  const portfolio = new Portfolio(rules)
  const equity = epoch.map((date, i) => {
    const traded = tapes.filter((tape) => advance(tape, date))
    portfolio.enter(traded.flatMap(({ orders, place }) => orders.get(place) ?? []))
    portfolio.exit()
    return portfolio.mark(i === epoch.length - 1)
  })
  const curve = { epoch, equity }
  const { trades } = portfolio
  return {
    tradeCount: trades.length,
    winRate: winRate(trades),
    ...performance(rules.initialCapital, curve),
    profitFactor: profitFactor(trades),
    benchmarkReturn: benchmarkReturn(symbols),
    curve,
    bySignal: rules.signals.map((kind) => signalPerformance(kind, trades)),
  }
}

function tapeOf({ candles, first, signals }: BacktestSymbol, kinds: readonly SignalKind[]): Tape {
  const tape: Tape = { candles, place: first - 1, orders: new Map() }
  for (const kind of kinds) {
    for (const signal of signals) {
      if (signal.kind !== kind || signal.direction === 'NEUTRAL' || signal.index < first) continue
      const orders = tape.orders.get(signal.index + 1) ?? []
      orders.push({ tape, kind, side: signal.direction === 'BULLISH' ? 1 : -1 })
      tape.orders.set(signal.index + 1, orders)
    }
  }
  return tape
}

/** All dates on which any symbol has a candle. */
function datesOf(symbols: readonly BacktestSymbol[]): number[] {
  const dates = new Set<number>()
  for (const { candles, first } of symbols) for (const epoch of candles.epoch.subarray(first)) dates.add(epoch)
  return [...dates].sort((a, b) => a - b)
}

/** Moves to the candle of this date; false: there is none. */
function advance(tape: Tape, date: number): boolean {
  if (tape.candles.epoch[tape.place + 1] !== date) return false
  tape.place += 1
  return true
}

/** The capital of a backtest and its open trades. Each date goes through `enter`, `exit` and `mark`, in this order. */
class Portfolio {
  readonly trades: ClosedTrade[] = []
  readonly #rules: BacktestRules
  #open: Trade[] = []
  /** The capital with the profits of closed trades, minus the costs paid. */
  #balance: number
  /** At the previous close. */
  #equity: number

  constructor(rules: BacktestRules) {
    this.#rules = rules
    this.#balance = rules.initialCapital
    this.#equity = rules.initialCapital
  }

  /** Fills orders at the open of their newest candle, one after the other, as far as the equity goes. */
  enter(orders: readonly Order[]): void {
    if (orders.length === 0 || this.#equity <= 0) return
    const { positionSize, stopLoss, takeProfit, cost } = this.#rules
    const amount = positionSize * this.#equity
    let invested = sum(this.#open.map((trade) => trade.amount))
    for (const order of orders) {
      const { tape, side } = order
      const entry = tape.candles.open[tape.place] as number
      if (entry <= 0 || invested + amount > this.#equity * (1 + roundingShare)) continue
      const stop = entry * (1 - side * (stopLoss ?? Number.NaN))
      const target = entry * (1 + side * (takeProfit ?? Number.NaN))
      this.#open.push({ ...order, amount, entry, entryPlace: tape.place, stop, target })
      this.#balance -= cost * amount
      invested += amount
    }
  }

  /**
   * Closes the trades that end in their symbol's newest candle. A trade that stayed open in that candle at an earlier
   * call stays open again.
   */
  exit(): void {
    const { holdDays } = this.#rules
    this.#open = this.#open.filter((trade) => {
      const price = exitPrice(trade, holdDays)
      if (price !== null) this.#close(trade, price)
      return price === null
    })
  }

  /** The equity at the close of a date. If nothing is left of it, or at the last date, all open trades are closed. */
  mark(isLast: boolean): number {
    const unrealised = this.#open.reduce((total, trade) => total + trade.amount * gain(trade, lastClose(trade)), 0)
    this.#equity = this.#balance + unrealised
    if (isLast || this.#equity <= 0) {
      for (const trade of this.#open) this.#close(trade, lastClose(trade))
      this.#open = []
      this.#equity = this.#balance
    }
    if (Number.isFinite(this.#equity / this.#rules.initialCapital)) return this.#equity
    throw new FinstageError('NO_DATA', 'Prices of these symbols differ too much: the equity would overflow')
  }

  #close(trade: Trade, price: number): void {
    const { kind, amount, entry } = trade
    const { cost } = this.#rules
    const exitCost = cost * Math.abs(price / entry)
    const netReturn = gain(trade, price) - cost - exitCost
    this.#balance += amount * (gain(trade, price) - exitCost)
    this.trades.push({ kind, netReturn, profit: amount * netReturn })
  }
}

const lastClose = ({ tape: { candles, place } }: Trade): number => candles.close[place] as number

/** Before costs, as a share of the amount. */
const gain = ({ side, entry }: Trade, price: number): number => side * (price / entry - 1)

/**
 * The price at which a trade ends in the newest candle; null: it does not end. Nobody knows whether a candle touched
 * the stop or the target first, so the stop counts.
 */
function exitPrice({ tape, side, entryPlace, stop, target }: Trade, holdDays: number): number | null {
  const { candles, place } = tape
  const at = (column: Float64Array): number => column[place] as number
  /** How much further in the trade's favour. */
  const ahead = (price: number, of: number): number => side * (price - of)
  const open = at(candles.open)
  if (ahead(open, stop) <= 0 || ahead(open, target) >= 0) return open
  const [worst, best] = side === 1 ? [candles.low, candles.high] : [candles.high, candles.low]
  if (ahead(at(worst), stop) <= 0) return stop
  if (ahead(at(best), target) >= 0) return target
  return place - entryPlace + 1 >= holdDays ? at(candles.close) : null
}

const winRate = (trades: readonly ClosedTrade[]): number | null =>
  quotient(trades.filter(({ netReturn }) => netReturn > 0).length, trades.length)

function profitFactor(trades: readonly ClosedTrade[]): number | null {
  const profits = trades.map(({ profit }) => profit)
  return quotient(sum(profits.filter((profit) => profit > 0)), -sum(profits.filter((profit) => profit < 0)))
}

function signalPerformance(kind: SignalKind, all: readonly ClosedTrade[]): SignalPerformance {
  const trades = all.filter((trade) => trade.kind === kind)
  const averageReturn = quotient(sum(trades.map(({ netReturn }) => netReturn)), trades.length)
  return { kind, tradeCount: trades.length, winRate: winRate(trades), averageReturn }
}

/**
 * The return of equal shares in all symbols, from the open of the first candle to the close of the last; null: no
 * symbol has any.
 */
function benchmarkReturn(symbols: readonly BacktestSymbol[]): number | null {
  const returns = symbols.flatMap(({ candles, first }) => {
    const bought = candles.open[first] ?? 0
    return bought > 0 ? (candles.close.at(-1) as number) / bought - 1 : []
  })
  return quotient(sum(returns), returns.length)
}
