// A baseline without GraphQL: node:http that parses the request and stringifies columns from memory for each answer.
// usage: node bench/charts/bare.ts <symbols> <date of the open candle, in days since 1970>
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type PeerChart, peerCharts, quoteOf } from './peer-market.ts'

const charts = peerCharts(Number(process.argv[2]), Number(process.argv[3]))

interface Asked {
  readonly operationName: string
  readonly variables: { readonly symbol: string; readonly symbols: readonly string[] }
}

function chart(symbol: string): PeerChart {
  const found = charts.get(symbol)
  if (!found) throw new Error(`no ${symbol}`)
  return found
}

function dataOf({ operationName, variables }: Asked): unknown {
  if (operationName === 'Board') {
    const instruments = variables.symbols.map((symbol) => {
      const found = chart(symbol)
      return { symbol, quote: quoteOf(found), candles: { columns: { close: found.columns.close.slice(-30) } } }
    })
    return { instruments }
  }
  const { columns } = chart(variables.symbol)
  if (operationName === 'Indicators') return { candles: { columns } }
  const { time, open, high, low, close, volume } = columns
  return { candles: { columns: { time, open, high, low, close, volume } } }
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const body = JSON.stringify({ data: dataOf(JSON.parse(Buffer.concat(chunks).toString()) as Asked) })
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    response.writeHead(200, headers).end(body)
  })
})
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql\n`)
})
