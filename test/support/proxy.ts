import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Proxy extends AsyncDisposable {
  readonly port: number
  /** Where new connections lead; null: they are refused. */
  lead(port: number | null): void
  /** Breaks every connection off, without a word of the server. */
  cut(): void
  /** Lets nothing through any more on the connections that there are, and keeps them open. */
  mute(): void
}

/** Between a client and a server that it reaches at one address, wherever that is: a network that fails when it is told to. */
export async function startProxy(): Promise<Proxy> {
  let target: number | null = null
  const pairs = new Set<readonly [Socket, Socket]>()
  const server = createServer((client) => {
    if (target === null) {
      client.resetAndDestroy()
      return
    }
    const upstream = connect(target, '127.0.0.1')
    const pair = [client, upstream] as const
    pairs.add(pair)
    const end = (): void => {
      pairs.delete(pair)
      for (const socket of pair) socket.destroy()
    }
    for (const socket of pair) socket.on('error', end).on('close', end)
    client.pipe(upstream).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => {
    for (const sockets of pairs) for (const socket of sockets) socket.resetAndDestroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    lead: (port) => {
      target = port
    },
    cut,
    mute: () => {
      for (const [client, upstream] of pairs) {
        client.unpipe().resume()
        upstream.unpipe().resume()
      }
    },
    [Symbol.asyncDispose]: async () => {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}
