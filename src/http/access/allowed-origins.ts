import { isLoopback } from '../../platform/loopback.ts'

/** Every port of loopback is an origin of its own, so the number of remembered origins is bounded. */
const maxRemembered = 1000

/** The origins whose pages may use this server: its own, and those that are named. */
export class AllowedOrigins {
  readonly #named: ReadonlySet<string>
  readonly #takesLoopback: boolean
  readonly #remembered = new Set<string>()

  /**
   * `named`: as in https://app.example. undefined: the origins of this machine, if the server listens on loopback, else
   * none.
   */
  constructor({ host, named }: { host: string; named: readonly string[] | undefined }) {
    this.#named = new Set(named)
    this.#takesLoopback = named === undefined && isLoopback(host.toLowerCase())
  }

  /** `origin` and `host`: headers of the request as they came. The host must be an allowed one. */
  has(origin: string, host: string | undefined): boolean {
    if (this.#named.has(origin) || this.#remembered.has(origin)) return true
    const url = URL.parse(origin)
    if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return false
    // Behind a proxy the scheme is not known, and assumed to be the same.
    if (host !== undefined && URL.parse(`${url.protocol}//${host}`)?.host === url.host) return true
    if (!this.#takesLoopback || !isLoopback(url.hostname.replace(/^\[(.*)\]$/, '$1'))) return false
    if (this.#remembered.size < maxRemembered) this.#remembered.add(origin)
    return true
  }
}
