import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { durationBuckets, type SharedGauge, saturation, seriesOfGauge } from '../../../platform/metrics.ts'

/** What is limited and observed separately. `crumb`: opening a session, with its cookie pages. */
export const yahooEndpoints = ['quote', 'chart', 'search', 'crumb'] as const
export type YahooEndpoint = (typeof yahooEndpoints)[number]

/**
 * The outcome of a request. `refused`: a status of 4xx except 429. `failed`: no answer, 5xx, or something unreadable.
 */
export type CallOutcome = (typeof callOutcomes)[number]
const callOutcomes = ['ok', 'rate_limited', 'refused', 'failed', 'timeout'] as const

export type RejectReason = (typeof rejectReasons)[number]
const rejectReasons = ['breaker', 'rate_limit', 'bulkhead'] as const

const callsRunning: SharedGauge = {
  name: 'finstage_source_calls_in_flight',
  help: 'Calls of the source that hold a slot',
  label: 'endpoint',
}
const callsWaiting: SharedGauge = {
  name: 'finstage_source_calls_waiting',
  help: 'Calls of the source that wait for a slot',
  label: 'endpoint',
}

const breakerStates = { closed: 0, halfOpen: 1, open: 2 } as const
export type BreakerState = keyof typeof breakerStates

/** Counts the calls to Yahoo, and those that were held back. */
export class YahooMetrics {
  readonly #registry: Registry
  readonly #calls: Counter<'endpoint' | 'outcome'>
  readonly #seconds: Histogram<'endpoint'>
  readonly #retries: Counter<'endpoint'>
  readonly #rejected: Counter<'endpoint' | 'reason'>
  readonly #breakers: Gauge<'endpoint'>

  /** Without a registry, the counts go nowhere. */
  constructor(registry: Registry = new Registry()) {
    this.#registry = registry
    const registers = [registry]
    this.#calls = new Counter({
      name: 'finstage_source_calls_total',
      help: 'HTTP requests that left for the source, by what became of them',
      labelNames: ['endpoint', 'outcome'],
      registers,
    })
    this.#seconds = new Histogram({
      name: 'finstage_source_call_seconds',
      help: 'How long HTTP requests to the source took, to the last byte',
      labelNames: ['endpoint'],
      buckets: durationBuckets,
      registers,
    })
    this.#retries = new Counter({
      name: 'finstage_source_retries_total',
      help: 'Calls of the source that were made again after a failure',
      labelNames: ['endpoint'],
      registers,
    })
    this.#rejected = new Counter({
      name: 'finstage_source_rejected_total',
      help: 'Calls of the source that were not let out',
      labelNames: ['endpoint', 'reason'],
      registers,
    })
    this.#breakers = new Gauge({
      name: 'finstage_source_breaker_state',
      help: 'Circuit breaker of each endpoint: 0 closed, 1 half open, 2 open',
      labelNames: ['endpoint'],
      registers,
    })
    // Rates see the first of a kind only if there was a 0 before.
    for (const endpoint of yahooEndpoints) {
      this.breaker(endpoint, 'closed')
      this.#retries.inc({ endpoint }, 0)
      for (const outcome of callOutcomes) this.#calls.inc({ endpoint, outcome }, 0)
      for (const reason of rejectReasons) this.#rejected.inc({ endpoint, reason }, 0)
    }
  }

  /** `slots`: of an endpoint, read at every scrape. */
  slots(endpoint: YahooEndpoint, slots: { readonly running: number; readonly waiting: number }, most: number): void {
    seriesOfGauge(this.#registry, callsRunning, endpoint, () => slots.running)
    seriesOfGauge(this.#registry, callsWaiting, endpoint, () => slots.waiting)
    seriesOfGauge(this.#registry, saturation, `source_calls_${endpoint}`, () => slots.waiting / most)
  }

  called(endpoint: YahooEndpoint, outcome: CallOutcome, seconds: number): void {
    this.#calls.inc({ endpoint, outcome })
    this.#seconds.observe({ endpoint }, seconds)
  }

  retried(endpoint: YahooEndpoint): void {
    this.#retries.inc({ endpoint })
  }

  rejected(endpoint: YahooEndpoint, reason: RejectReason): void {
    this.#rejected.inc({ endpoint, reason })
  }

  breaker(endpoint: YahooEndpoint, state: BreakerState): void {
    this.#breakers.set({ endpoint }, breakerStates[state])
  }
}
