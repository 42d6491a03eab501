import type { Config } from './config.ts'

/** Printed after a start: where to look, and three commands to paste. */
export function welcome(config: Config, { api, metrics }: { api: string; metrics: string }): string {
  const url = `${api}/graphql`
  const simulated = config.MARKET_SOURCE === 'simulated'
  return `
Finstage is ready${simulated ? ', on a SIMULATED market: every price is made up' : ''}.

  GraphiQL  ${url}
  Metrics   ${metrics}/metrics

A query:
  curl -s ${url} -H 'content-type: application/json' -d '{"query":"{ quotes(symbols: [\\"AAPL\\", \\"BTC-USD\\"]) { symbol price changePercent source } }"}'

A mutation, which queues an analysis:
  curl -s ${url} -H 'content-type: application/json' -d '{"query":"mutation { enqueueAnalysis(input: { symbols: [\\"AAPL\\", \\"MSFT\\"] }) { ... on EnqueuePayload { job { id state } } } }"}'

A subscription, live until Ctrl-C:
  curl -sN ${url} -H 'content-type: application/json' -H 'accept: text/event-stream' -d '{"query":"subscription { priceUpdates(symbols: [\\"AAPL\\", \\"BTC-USD\\"]) { kind symbol price seq } }"}'

Ctrl-C stops everything.
`
}
