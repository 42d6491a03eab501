import { join } from 'node:path'
import { startTestStreamer } from '../../test/support/yahoo/test-streamer.ts'
import { startTestYahoo } from '../../test/support/yahoo/test-yahoo.ts'
import type { ReconnectFigures, ReconnectLoad, StormFigures } from '../loads/reconnect.ts'
import { quiet } from '../support/machine.ts'
import { runLoad, startServer } from '../support/processes.ts'
import { fixed, table, whole } from '../support/table.ts'

const connections = 10_000
const symbols = Array.from({ length: 100 }, (_, i) => `B${i}`)
const pushMs = 1000
const firstPrice = 100

/** Ten thousand clients connect at once: to a server that has just started, and again after they were cut off. */
export async function measureReconnect(directory: string, progress: (text: string) => void): Promise<string> {
  await using yahoo = await startTestYahoo()
  await using streamer = await startTestStreamer()
  for (const symbol of symbols) {
    yahoo.setQuote(symbol, { ...row, symbol })
    yahoo.setPrice(symbol, firstPrice)
  }
  const environment = { MARKET_SOURCE: 'yahoo', YAHOO_BASE_URL: yahoo.url, YAHOO_STREAM_URL: streamer.url }
  const server = await startServer('Finstage', 1, join(directory, 'reconnect'), environment)
  let price = firstPrice
  const pushing = setInterval(() => {
    price += 0.01
    for (const symbol of symbols) streamer.push(symbol, { price })
  }, pushMs)
  try {
    await quiet()
    const figures = await runLoad<ReconnectLoad, ReconnectFigures>('reconnect.ts', {
      url: server.url,
      serverPid: server.pid,
      symbols,
      ticksPerSecond: 1000 / pushMs,
      connections,
      sharesId: false,
      durationMs: 120_000,
    })
    const requests = ({ beganAtMs, endedAtMs }: StormFigures): number =>
      yahoo.requestsTo('quote').filter(({ at }) => at >= beganAtMs && at <= endedAtMs).length
    const rows = Object.entries({
      'a server that has just started': figures.first,
      'again, when cut off': figures.again,
    })
    for (const [name, storm] of rows)
      progress(`reconnect: ${name}: ${whole(storm.lastMs)} ms, ${requests(storm)} requests`)
    return report(rows.map(([name, storm]) => line(name, storm, requests(storm))))
  } finally {
    clearInterval(pushing)
    await server.stop()
  }
}

const row = {
  quoteType: 'EQUITY',
  currency: 'USD',
  exchange: 'NMS',
  exchangeTimezoneName: 'America/New_York',
  priceHint: 2,
  marketState: 'REGULAR',
}

const seconds = (ms: number): string => fixed(ms / 1000, 1)

const line = (name: string, storm: StormFigures, requests: number): string[] => [
  name,
  seconds(storm.p50Ms),
  seconds(storm.p99Ms),
  seconds(storm.lastMs),
  whole(storm.unserved),
  whole(requests),
  fixed(storm.cpu.server, 2),
  fixed(storm.cpu.client, 2),
  fixed(storm.cpu.others, 2),
]

const report = (rows: readonly string[][]): string =>
  [
    '## All at once',
    '',
    `${whole(connections)} clients over ${symbols.length} symbols connect at the same time and wait for their first price. Yahoo is played by servers of`,
    'the bench: quotes, and the push feed with a price of each symbol a second.',
    '',
    table(
      [
        ...[
          'clients of',
          'half served after s',
          '99 % after s',
          'all after s',
          'not served',
          'requests for quotes meanwhile',
        ],
        ...['server CPU', 'client CPU', 'others’ CPU'],
      ],
      rows,
    ),
  ].join('\n')
