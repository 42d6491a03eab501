import assert from 'node:assert/strict'
import { post } from '../clients/client.ts'
import type { ServerProcess } from '../process.ts'

/** A caller waits 3 s for a connection and 6 s for an answer; the rest is the busy machine's. */
export const boundMs = 14_000

interface Candles {
  readonly stale: boolean
  readonly excluded: number
  readonly hasEarlier: boolean
  readonly nodes: readonly { readonly time: string; readonly close: number; readonly closed: boolean }[]
}

/** Of what the store has, and of what it has never seen; all of the past, so that they are the same whenever they are asked for. */
export const candleQueries = ['AAPL', 'MSFT'].flatMap((symbol) =>
  ['interval: DAY_1', 'interval: WEEK_1, adjustment: SPLITS_AND_DIVIDENDS', 'interval: HOUR_1, adjustment: NONE'].map(
    (how) =>
      `{ candles(symbol: "${symbol}", ${how}, last: 30, to: "${new Date(Date.now() - 9 * 86_400_000).toISOString()}") {
        stale excluded hasEarlier nodes { time close closed } } }`,
  ),
)

export async function candlesOf(api: string, query: string): Promise<Candles> {
  const { data, errors } = await post<{ candles: Candles }>(api, query)
  assert.equal(errors, undefined, `${query}: ${JSON.stringify(errors)}`)
  assert.ok(data?.candles)
  return data.candles
}

export async function readiness(server: ServerProcess): Promise<{ status: number; checks: Record<string, string> }> {
  const response = await fetch(`${server.metrics}/readyz`)
  const { checks } = (await response.json()) as { checks: Record<string, string> }
  return { status: response.status, checks }
}
