import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Registry } from 'prom-client'
import { type SharedGauge, seriesOfGauge } from '../../platform/metrics.ts'

/** Checks one dependency: resolves if it works, and rejects with the reason if it does not. */
export type HealthCheck = () => Promise<void>

const checkTimeoutMs = 2000
/** Shorter, so that a scrape is answered before its scraper gives up. */
const scrapeTimeoutMs = 1000

const dependencyUp: SharedGauge = {
  name: 'finstage_dependency_up',
  help: 'Whether what this process depends on works, as /readyz tells it: 1, or 0',
  label: 'dependency',
}

/** Answers `/healthz` (this process runs) and `/readyz` (all its dependencies work, each listed by its name). */
export class Health {
  readonly #checks = new Map<string, HealthCheck>()
  #registry: Registry | undefined
  #stopping = false

  /** Measures all checks, those that were added before included. */
  register(registry: Registry): void {
    this.#registry = registry
    for (const [name, check] of this.#checks) measure(registry, name, check)
  }

  add(name: string, check: HealthCheck): void {
    this.#checks.set(name, check)
    if (this.#registry) measure(this.#registry, name, check)
  }

  /** From now on the process is not ready, so that load balancers send it no more clients. */
  stopping(): void {
    this.#stopping = true
  }

  /**
   * Returns whether the request was one of these two. `tellsReasons`: says why a dependency is not ready, with
   * addresses and messages that not everybody may see.
   */
  serve(request: IncomingMessage, response: ServerResponse, { tellsReasons }: { tellsReasons: boolean }): boolean {
    const path = request.url?.split('?')[0]
    if (path === '/healthz') {
      send(response, 200, { status: 'ok' })
      return true
    }
    if (path !== '/readyz') return false
    void this.#readiness().then(({ ready, checks }) => {
      const told = tellsReasons
        ? checks
        : checks.map(([name, outcome]) => [name, outcome === 'ok' ? 'ok' : 'not ready'])
      const status = ready ? 'ready' : 'not ready'
      send(response, ready ? 200 : 503, { status, checks: Object.fromEntries(told) })
    })
    return true
  }

  async #readiness(): Promise<{ ready: boolean; checks: (readonly [name: string, outcome: string])[] }> {
    const checks = await Promise.all(
      [...this.#checks].map(async ([name, check]) => [name, await outcomeOf(check, checkTimeoutMs)] as const),
    )
    if (this.#stopping) checks.push(['process', 'stopping'])
    return { ready: checks.every(([, outcome]) => outcome === 'ok'), checks }
  }
}

function measure(registry: Registry, name: string, check: HealthCheck): void {
  seriesOfGauge(registry, dependencyUp, name, async () => ((await outcomeOf(check, scrapeTimeoutMs)) === 'ok' ? 1 : 0))
}

async function outcomeOf(check: HealthCheck, timeoutMs: number): Promise<string> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve(`no answer within ${timeoutMs / 1000} s`), timeoutMs)
  })
  const outcome = check().then(
    () => 'ok',
    (error: unknown) => (error instanceof Error ? error.message || error.name : String(error)),
  )
  return Promise.race([outcome, timeout]).finally(() => clearTimeout(timer))
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(`${JSON.stringify(body)}\n`)
}
