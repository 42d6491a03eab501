import { isIP, isIPv6 } from 'node:net'
import { isLoopback } from '../../platform/loopback.ts'

/** Clients choose how they write a host and its port, so what is remembered is bounded. */
const maxRemembered = 1000

/**
 * The hosts under which this server may be asked for something. A page whose own name is made to lead to this server's address
 * (DNS rebinding) counts as of the same origin in its browser; the Host header still tells that name.
 */
export class AllowedHosts {
  readonly #names: ReadonlySet<string>
  readonly #takesAddresses: boolean
  /** Host headers as they came, port included. */
  readonly #remembered = new Set<string>()

  /** `host`: what the server listens on. `names`: further host names, without ports. */
  constructor({ host, names }: { host: string; names: readonly string[] }) {
    this.#names = new Set([host, ...names].map(hostnameOf))
    // Whoever listens on every address has not named any. An address as such can't be rebound: no name is looked up for it.
    this.#takesAddresses = host === '0.0.0.0' || host === '::'
  }

  /** `header`: of the request, as it came. Browsers always send one, HTTP/1.0 need not. */
  has(header: string | undefined): boolean {
    if (header === undefined || this.#remembered.has(header)) return true
    const name = /^(.*?|\[.*\])(?::\d*)?$/.exec(header)?.[1]?.toLowerCase() ?? ''
    const address = name.replace(/^\[(.*)\]$/, '$1')
    const isAllowed = this.#names.has(name) || isLoopback(address) || (this.#takesAddresses && isIP(address) !== 0)
    if (isAllowed && this.#remembered.size < maxRemembered) this.#remembered.add(header)
    return isAllowed
  }
}

/** As it stands in a Host header. */
const hostnameOf = (name: string): string => (isIPv6(name) ? `[${name}]` : name).toLowerCase()
