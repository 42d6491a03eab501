import { Counter, type Registry } from 'prom-client'
import type { Logger } from './logger.ts'

const reachedLibraries = ['graphile-worker', 'node'] as const

/** The libraries whose internals have a public way beside them. */
export type ReachedLibrary = (typeof reachedLibraries)[number]

/**
 * Reports that a library's internals are not what this program relies on, so that it takes the library's public way
 * instead. Each finding is logged once and counted every time.
 */
export class LibraryFallbacks {
  readonly #log: Logger
  readonly #count: Counter<'library'>
  readonly #logged = new Set<string>()

  /** Registers a metric: create one per process. */
  constructor(registry: Registry, log: Logger) {
    this.#log = log
    this.#count = new Counter({
      name: 'finstage_library_fallbacks_total',
      help: "Times that the public way of a library was taken because the library's internals were not recognised",
      labelNames: ['library'],
      registers: [registry],
    })
    for (const library of reachedLibraries) this.#count.inc({ library }, 0)
  }

  /**
   * `what`: a constant sentence that names the internal and the consequence; it is remembered for as long as the
   * process lives.
   */
  report(library: ReachedLibrary, what: string): void {
    this.#count.inc({ library })
    const key = `${library} ${what}`
    if (this.#logged.has(key)) return
    this.#logged.add(key)
    this.#log.warn({ library }, what)
  }
}
