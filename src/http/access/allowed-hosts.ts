import { isIP, isIPv6 } from 'node:net'
import { isLoopback } from '../../platform/loopback.ts'

/** Clients choose how they write a host and its port, so the number of remembered headers is bounded. */
const maxRemembered = 1000

/**
 * The host names under which this server answers. They keep out DNS rebinding: a page whose own host name is made to
 * resolve to this server's address has the same origin as this server for its browser, but the Host header still tells
 * that name.
 */
export class AllowedHosts {
  readonly #names: ReadonlySet<string>
  readonly #takesAddresses: boolean
  /** Host headers as they came, with their ports. */
  readonly #remembered = new Set<string>()

  /** `host`: the address or name that the server listens on. `names`: further host names, without ports. */
  constructor({ host, names }: { host: string; names: readonly string[] }) {
    this.#names = new Set([host, ...names].map(hostnameOf))
    // A server that listens on every address names none of them. A Host that is an address can't be rebound: no name is
    // resolved.
    this.#takesAddresses = host === '0.0.0.0' || host === '::'
  }

  /** `header`: the Host header as it came. Browsers always send one; HTTP/1.0 clients need not. */
  has(header: string | undefined): boolean {
    if (header === undefined || this.#remembered.has(header)) return true
    const name = /^(.*?|\[.*\])(?::\d*)?$/.exec(header)?.[1]?.toLowerCase() ?? ''
    const address = name.replace(/^\[(.*)\]$/, '$1')
    const isAllowed = this.#names.has(name) || isLoopback(address) || (this.#takesAddresses && isIP(address) !== 0)
    if (isAllowed && this.#remembered.size < maxRemembered) this.#remembered.add(header)
    return isAllowed
  }
}

/** A name or an address as a Host header spells it. */
const hostnameOf = (name: string): string => (isIPv6(name) ? `[${name}]` : name).toLowerCase()
