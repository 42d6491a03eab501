import type { ClientFigures, PollingFigures, PollingLoad } from '../loads/poll.ts'
import { runLoad, startServer } from '../support/processes.ts'
import { fixed, table, whole } from '../support/table.ts'

const durationMs = 10_000
/** Not one a second like the polls, or each poll would come at the same time after a tick as the one before. */
const ticksPerSecond = 0.9

/** What one subscription saves compared with polling, for the same prices of the same server. */
export async function measurePolling(directory: string, progress: (text: string) => void): Promise<string> {
  const server = await startServer('Finstage', ticksPerSecond, directory)
  const run = (periodMs: number, forMs: number): Promise<PollingFigures> =>
    runLoad<PollingLoad, PollingFigures>('poll.ts', {
      url: server.url,
      symbol: 'AAPL',
      periodMs,
      durationMs: forMs,
    })
  await run(100, 2000)
  const everySecond = await run(1000, durationMs)
  progress(`polling each second: ${JSON.stringify(everySecond)}`)
  await server.stop()

  const rows = [
    row('one subscription', everySecond.updates, everySecond.subscriber, everySecond.subscriber),
    row('a poll each second', everySecond.updates, everySecond.poller, everySecond.subscriber),
  ]
  const head = ['client', 'HTTP requests', '÷ subscription', 'WebSocket messages sent', 'bytes sent', 'bytes received']
  return [
    '## Requests saved by subscribing',
    '',
    `For ${durationMs / 1000} s a client wants every price of AAPL, which ticks ${ticksPerSecond} times a second: by one subscription, and by a`,
    'poll each second. Quotes are kept for 2 s, for all who ask: however often one polls, prices between are missed, and come',
    'later. One server, one connection each, headers and frames counted. The longer it lasts, the more polling costs; the',
    'subscription stays at its one request.',
    '',
    table([...head, 'bytes ÷ subscription', 'updates seen', 'mean delay ms', 'max delay ms'], rows),
  ].join('\n')
}

function row(name: string, updates: number, client: ClientFigures, subscriber: ClientFigures): string[] {
  const bytes = ({ bytesSent, bytesReceived }: ClientFigures): number => bytesSent + bytesReceived
  return [
    name,
    whole(client.httpRequests),
    fixed(client.httpRequests / subscriber.httpRequests, 0),
    whole(client.messagesSent),
    whole(client.bytesSent),
    whole(client.bytesReceived),
    fixed(bytes(client) / bytes(subscriber), 1),
    `${client.updatesSeen} of ${updates}`,
    fixed(client.meanDelayMs, 1),
    whole(client.maxDelayMs),
  ]
}
