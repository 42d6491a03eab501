import { startTestYahoo, type TestYahoo } from '../../test/support/yahoo/test-yahoo.ts'
import { chartLength, daySeconds, history, longHistory, longSymbol, type Market, moveOpen, symbolAt } from './market.ts'

const moveMs = 1000

/** The market as a test server plays Yahoo; it says how many symbols that nobody has asked for are left. */
export interface ChartSource extends AsyncDisposable {
  readonly market: Market
  readonly yahoo: TestYahoo
  /** Symbols beside those of the market. */
  fresh(count: number): readonly string[]
}

/**
 * Plays Yahoo with a market that is open around the clock, so that a bench gives the same figures at any hour. Its
 * prices move once a second. No exchange of this time zone has a calendar.
 */
export async function startChartSource(symbols: number): Promise<ChartSource> {
  const { zone, aheadSeconds, today } = noonSomewhere(Date.now())
  const yahoo = await startTestYahoo()
  const moves: ((nowMs: number) => void)[] = []

  function list(symbol: string, index: number, length?: number): void {
    const chart = history(index, today, length)
    yahoo.setQuote(symbol, {
      quoteType: 'EQUITY',
      currency: 'USD',
      exchange: 'BCH',
      exchangeTimezoneName: zone,
      priceHint: 2,
      marketState: 'REGULAR',
      regularMarketPrice: chart.open.at(-1),
      regularMarketPreviousClose: chart.close.at(-2),
    })
    yahoo.setCalendar(symbol, { opens: 0, closes: daySeconds, days: 'all' })
    // Yahoo dates a day by its opening, and the open one by the last trade. It sends float32 values, which the commit
    // before serves as they are, with up to 17 digits. With plain decimals both builds write the same bytes.
    const rows = chart.time.map((time, i) => ({
      time: time - aheadSeconds,
      open: chart.open[i] ?? 0,
      high: chart.high[i] ?? 0,
      low: chart.low[i] ?? 0,
      close: chart.close[i] ?? 0,
      adjclose: chart.close[i] ?? 0,
      volume: chart.volume[i] ?? 0,
    }))
    const last = rows.at(-1)
    if (!last) return
    yahoo.setChart(symbol, '1d', rows, { firstTradeDate: rows[0]?.time ?? 0 })
    const end = chart.time.length - 1
    moves.push((nowMs) => {
      const price = moveOpen(chart, index, nowMs)
      last.time = Math.floor(nowMs / 1000)
      last.close = last.adjclose = price
      last.high = chart.high[end] ?? price
      last.low = chart.low[end] ?? price
      last.volume = chart.volume[end] ?? 0
      yahoo.setPrice(symbol, price)
    })
  }

  const move = (): void => {
    const nowMs = Date.now()
    for (const each of moves) each(nowMs)
  }
  for (let index = 0; index < symbols; index++) list(symbolAt(index), index)
  list(longSymbol, symbols, longHistory)
  move()
  const timer = setInterval(move, moveMs)
  let listed = symbols
  return {
    market: { symbols, today },
    yahoo,
    fresh: (count) =>
      Array.from({ length: count }, () => {
        const symbol = symbolAt(++listed)
        list(symbol, listed, chartLength + 200)
        moves.at(-1)?.(Date.now())
        return symbol
      }),
    [Symbol.asyncDispose]: async () => {
      clearInterval(timer)
      await yahoo.close()
    },
  }
}

/** A time zone in which it is about noon, so that a bench never goes past its midnight, and the date there. */
function noonSomewhere(nowMs: number): { zone: string; aheadSeconds: number; today: number } {
  const hours = 12 - new Date(nowMs).getUTCHours()
  const aheadSeconds = 3600 * hours
  // The sign in these names is turned round: Etc/GMT-5 is five hours ahead of UTC.
  const zone = hours === 0 ? 'Etc/UTC' : `Etc/GMT${hours > 0 ? '-' : '+'}${Math.abs(hours)}`
  return { zone, aheadSeconds, today: Math.floor((nowMs / 1000 + aheadSeconds) / daySeconds) }
}
