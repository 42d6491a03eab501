import { setImmediate as nextTurn } from 'node:timers/promises'
import { eventually } from './client.ts'
import { EventStreamClient } from './event-stream-client.ts'
import type { PriceServer } from './price-server.ts'
import { PriceTrack } from './price-track.ts'
import { RawClient } from './raw-client.ts'

export const mebibyte = 1024 * 1024
export const symbolsOf = (count: number, prefix = 'S'): string[] =>
  Array.from({ length: count }, (_, i) => `${prefix}${i}`)

const query = (fields: string): string =>
  `subscription ($s: [Symbol!]!) { priceUpdates(symbols: $s) { kind symbol seq ${fields} } }`
export const thin = query('')
/** Some 7 KB an event, so that the buffers of the system are soon full and events wait in the process. */
export const fat = query(
  Array.from({ length: 50 }, (_, i) => `q${i}: quote { price currency time receivedAt source marketState }`).join(' '),
)

export async function reader(server: PriceServer, symbols: readonly string[], document = thin) {
  const track = new PriceTrack()
  const client = await RawClient.open(server.api, track.takeMessage)
  client.subscribe('1', document, { s: symbols })
  await eventually(() => track.last.size === symbols.length, 'the first prices')
  return { client, track }
}

export async function sseReader(server: PriceServer, symbols: readonly string[]) {
  const track = new PriceTrack()
  const client = await EventStreamClient.open(server.api, fat, { s: symbols }, track.takeMessage)
  await eventually(() => track.last.size === symbols.length, 'the first prices')
  return { client, track }
}

export const unsent = (server: PriceServer): Promise<number> => server.metric('finstage_live_unsent_bytes')

/** Ticks until the buffers of a stalled reader take no more. Returns the most bytes that waited in the process for it. */
export async function tickUntilStuck(server: PriceServer, symbols: readonly string[]): Promise<number> {
  let most = 0
  let same = 0
  for (let before = -1; same < 30; ) {
    server.tick(...symbols)
    for (let i = 0; i < 3; i++) await nextTurn()
    const now = await unsent(server)
    same = now > 0 && now === before ? same + 1 : 0
    before = now
    most = Math.max(most, now)
  }
  return most
}
