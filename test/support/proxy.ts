import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface Proxy extends AsyncDisposable {
  readonly port: number
  /** Where new connections lead: to a port of this machine or a Unix socket; null: they are refused. */
  lead(target: number | string | null): void
  /** Breaks every connection off, without a word of the server. */
  cut(): void
  /** Lets nothing through any more on the connections that there are, and keeps them open. */
  mute(): void
  /** Holds everything up, new connections too, without a word to either side. What was under way arrives after thaw(). */
  freeze(): void
  thaw(): void
}

/** Between a client and a server that it reaches at one address, wherever that is: a network that fails when it is told to. */
export async function startProxy(): Promise<Proxy> {
  let target: number | string | null = null
  let isFrozen = false
  const pairs = new Set<readonly [Socket, Socket]>()
  const server = createServer((client) => {
    if (target === null) {
      client.resetAndDestroy()
      return
    }
    const upstream = typeof target === 'string' ? connect(target) : connect(target, '127.0.0.1')
    const pair = [client, upstream] as const
    pairs.add(pair)
    const end = (): void => {
      pairs.delete(pair)
      for (const socket of pair) socket.destroy()
    }
    for (const socket of pair) socket.on('error', end).on('close', end)
    if (!isFrozen) client.pipe(upstream).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const cut = (): void => {
    for (const sockets of pairs) for (const socket of sockets) breakOff(socket)
  }
  return {
    port: (server.address() as AddressInfo).port,
    lead: (to) => {
      target = to
    },
    cut,
    mute: () => {
      for (const [client, upstream] of pairs) {
        client.unpipe().resume()
        upstream.unpipe().resume()
      }
    },
    freeze: () => {
      isFrozen = true
      for (const [client, upstream] of pairs) {
        client.unpipe().pause()
        upstream.unpipe().pause()
      }
    },
    thaw: () => {
      isFrozen = false
      for (const [client, upstream] of pairs) client.pipe(upstream).pipe(client)
    },
    [Symbol.asyncDispose]: async () => {
      cut()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A Unix socket can't be reset. */
const breakOff = (socket: Socket): unknown => (socket.remoteAddress ? socket.resetAndDestroy() : socket.destroy())

/** A network between a process and the database that a URL names. */
export async function startDatabaseProxy(url: string): Promise<Proxy & { readonly url: string }> {
  const { pathname, searchParams } = new URL(url.replace('postgresql://postgres@/', 'http://x/'))
  const proxy = await startProxy()
  proxy.lead(`${searchParams.get('host')}/.s.PGSQL.5432`)
  return { ...proxy, url: `postgresql://postgres@127.0.0.1:${proxy.port}${pathname}` }
}
